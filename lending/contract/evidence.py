"""Evidence as one file: a zip that anybody can open, the same bytes for the same evidence.

What belongs here: which files are in it, and what the manifest says of them. Everything is stored
as it is, without compression, so that the bytes depend on nothing but the evidence. The report is
`lending.contract.evidence_report`'s; what checks such a file is `lending/verify_evidence.py`.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from typing import Any, Final

import orjson

from lending.contract.evidence_report import report
from lending.ledger.canonical import canonical_json, instant_text
from lending.ledger.notes import Verifier, decoded, encoded
from lending.service.evidence import limits
from lending.service.evidence.model import (
    Evidence,
    OpenedValue,
    ProvenEvent,
    TooMuchEvidence,
)

FORMAT: Final = "lending-evidence/1"
"""What the manifest calls the format."""
MEDIA_TYPE: Final = "application/zip"

_BEGINNING: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = 0o100644 << 16
_UNIX: Final = 3
_INDENTED: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE
_README: Final = """Evidence of one application for credit, out of an append-only ledger.

report.html           what happened, in words, to be read and printed
manifest.json         what this is evidence of, the keys to check it with, the SHA-256 of every file
checkpoint            the signed head of the log (c2sp.org/tlog-checkpoint)
application/          the events of the application, by their position in the log:
  N.entry.json          what is hashed into the log; it holds the SHA-256 of the data
  N.data.json           the data, as stored; what is personal is encrypted ("sealed")
  N.tlog-proof          the proof that the entry is in the log (c2sp.org/tlog-proof)
registry/             the same of what they cite: policies, products, score models, principals, keys
personal.json         only where personal data are shown: the persons' keys, and the values in clear

Check it with verify_evidence.py, one file of Python that needs the package `cryptography` and nothing
of the ledger's. Take it, and the key of the log (--vkey), from whom you trust, not from who sent this:

  python verify_evidence.py --vkey "$VKEY" THIS_FILE.zip
"""


def file_name(found: Evidence) -> str:
    """What a file of evidence is called."""
    return f"evidence-{found.application_id}-{found.checkpoint.size}.zip"


def bundle(found: Evidence) -> bytes:
    """The file. Raises TooMuchEvidence where it would be larger than one may be."""
    record = dict(_record(found))
    digest = digest_of_record(record)
    files = {"README.txt": _README.encode(), "report.html": report(found, digest), **record}
    files["manifest.json"] = _manifest(found, files)
    size = sum(len(content) for content in files.values())
    if size > limits.EVIDENCE_MAX_BYTES:
        raise TooMuchEvidence(
            f"the evidence has {size} bytes, and one file at most {limits.EVIDENCE_MAX_BYTES}; ask for"
            " it as it was under an earlier checkpoint"
        )
    return _zipped(files)


def digest_of_record(files: Mapping[str, bytes]) -> str:
    """What binds the report to the files it tells of: the SHA-256 of their digests by name."""
    return sha256(canonical_json(_digests(files))).hexdigest()


def _digests(files: Mapping[str, bytes]) -> dict[str, str]:
    return {name: sha256(content).hexdigest() for name, content in files.items()}


def _record(found: Evidence) -> Iterator[tuple[str, bytes]]:
    """Every file but the report, the manifest and the words about the format."""
    yield "checkpoint", found.note.encode()
    yield from _events("application", found.events)
    yield from _events("registry", found.records)
    if found.personal:
        yield "personal.json", orjson.dumps(_personal(found), option=_INDENTED)


def _events(folder: str, events: Iterable[ProvenEvent]) -> Iterator[tuple[str, bytes]]:
    for one in events:
        place = f"{folder}/{one.stored.position:012}"
        yield f"{place}.entry.json", one.entry
        yield f"{place}.data.json", one.data
        yield f"{place}.tlog-proof", one.proof.encode()


def _personal(found: Evidence) -> Mapping[str, Any]:
    return {
        "persons": [
            {
                "subject": one.subject,
                "state": one.state.value,
                "key": None if one.key is None else encoded(one.key),
            }
            for one in found.persons
        ],
        "values": [_value(one) for one in found.opened],
    }


def _value(one: OpenedValue) -> Mapping[str, Any]:
    where = {"position": one.position, "pointer": one.pointer, "subject": one.subject}
    return {**where, "erased": True} if one.erased else {**where, "value": one.value}


def _manifest(found: Evidence, files: Mapping[str, bytes]) -> bytes:
    said = {
        "format": FORMAT,
        "ledger_id": str(found.ledger_id),
        "shard": found.shard,
        "application_id": str(found.application_id),
        "events": len(found.events),
        "records": len(found.records),
        "origin": found.checkpoint.origin,
        "size": found.checkpoint.size,
        "root": encoded(found.checkpoint.root),
        "keys": list(keys(found)),
        "personal": found.personal,
        "persons": [{"subject": one.subject, "state": one.state.value} for one in found.persons],
        "files": _digests(files),
    }
    return orjson.dumps(said, option=_INDENTED)


def keys(found: Evidence) -> Iterator[dict[str, Any]]:
    """The keys on record, with the vkey each has for this checkpoint, and until when it signs."""
    recorded = {one.stored.position: one.stored.recorded_at for one in found.records}
    for key in found.keys:
        public_key = decoded(key.public_key, "a key")
        yield {
            "key_id": key.key_id,
            "vkey": Verifier(found.checkpoint.origin, public_key).vkey,
            "position": key.position,
            "recorded_at": instant_text(recorded[key.position]),
            "signs_until": None if key.signs_until is None else instant_text(key.signs_until),
            "revoked_position": key.revoked_position,
        }


def _zipped(files: Mapping[str, bytes]) -> bytes:
    written = BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name, _BEGINNING)
            info.create_system, info.external_attr = _UNIX, _PLAIN_FILE
            archive.writestr(info, content)
    return written.getvalue()
