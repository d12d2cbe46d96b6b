-- Evidence with personal data is recorded whoever is given it: the comments say so.

comment on table ledger.personal_data_reads is 'Every answer with personal data that an auditor was given, and all evidence with personal data that anybody was given; written before it is given. Kept for ever.';
comment on column ledger.personal_data_reads.what is 'What was read: application, events, list, feed, stream, explanation, notice, evidence (personal data withheld), personal_evidence (in clear, with the persons'' keys), timeline, difference or decision.';
