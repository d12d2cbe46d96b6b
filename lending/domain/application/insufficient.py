"""What is no specific reason for adverse action: the words that name the creditor's own standards or its
score and nothing about the applicant, as a table of word stems.

Source: Regulation B, 12 CFR 1002.9(b)(2): that the action rests on the creditor's internal standards
or policies, or that no qualifying score was achieved, is insufficient; and its comments 4 to 6.
"""

import re
import unicodedata
from typing import Final

SCORES: Final = ("score", "scoring", "fico")
"""A word that has one of these in it names a score, whatever is said of it: what lowered the score is
the reason.
"""

STANDARDS: Final = (
    "standard*", "policy", "policies", "guideline*", "criteri*", "requirement*", "cutoff*",
    "threshold*", "benchmark*", "rule", "rules", "rating*",
)  # fmt: skip
"""Words for something to measure up to; a star stands for any ending, and "cut-off" is one word."""

OWNERS: Final = (
    "our", "ours", "us", "internal*", "company*", "corporate", "creditor*", "lender*", "credit",
    "lending", "underwriting",
)  # fmt: skip
"""Words that say whose a standard is, or that it is one of lending: with one of `STANDARDS`, in any
order, they are insufficient whatever else is said.
"""

EMPTY: Final = (
    # whether it was enough, and what came of it
    "minimum*", "maximum*", "qualif*", "unqualif*", "disqualif*", "eligib*", "ineligib*", "accept*",
    "unaccept*", "approv*", "disapprov*", "declin*", "deni*", "deny*", "reject*", "refus*", "decision*",
    "decid*", "grant*", "creditworth*",
    # that it was not
    "no", "non", "not", "none", "never", "cannot", "fail*", "fall", "falls", "fell", "below", "under",
    "beneath", "beyond", "outside", "within", "short", "low", "lower", "high", "higher", "poor", "bad",
    "too", "very", "enough", "insufficient*", "sufficient*", "adequate*", "inadequate*", "unable", "met",
    "meet*", "satisf*", "unsatisf*", "fulfil*", "comply*", "complies", "complied", "conform*", "pass*",
    "reach*", "achiev*", "attain*", "obtain*", "match*", "fit", "fits", "exceed*",
    # of what, and of whom
    "bank", "banks", "institution*", "loan*", "lend*", "application*", "applicant*", "applied", "apply*",
    "customer*", "client*", "borrower*", "request*", "reason*", "general*", "other", "see", "above",
    "various", "unspecified", "specified", "i", "you", "your", "he", "his", "she", "her", "they", "their",
    "it", "its", "we", "this", "that", "these", "those", "there", "which", "what",
    # what holds a sentence together
    "a", "an", "the", "of", "to", "for", "with", "by", "in", "on", "at", "as", "per", "and", "or", "nor",
    "from", "due", "because", "since", "based", "accord*", "is", "are", "was", "were", "be", "been",
    "has", "have", "had", "do", "does", "did", "doesn", "didn", "don", "isn", "wasn", "t", "s", "n", "any",
    "all", "some", "set", "applicable*", "necessary", "required",
)  # fmt: skip
"""Words that say nothing about the applicant. A text of these, `STANDARDS` and `OWNERS` alone is
insufficient.
"""

_NO_WORD: Final = re.compile(r"[\W_]+")
_CUT_OFF: Final = re.compile(r"\bcut(?:s|ting)?[\W_]*off(?=s?\b)")


def insufficient_wording(text: str) -> str | None:
    """Why a free reason is insufficient, in any order of words, inflection, case and punctuation; or none.

    What it says is of the table, never of the text, which may be personal.
    """
    words = _words(text)
    if not any(letter.isalpha() for word in words for letter in word):
        return "it has no words"
    scores = [stem for stem in SCORES if any(stem in word for word in words)]
    if scores:
        return f"it names a score ({', '.join(scores)}): name what lowered it"
    standards, owners = _found(STANDARDS, words), _found(OWNERS, words)
    if standards and owners:
        named = f"{', '.join(owners)} and {', '.join(standards)}"
        return f"it names the creditor's standards ({named}): name what does not meet them"
    if all(_found((*STANDARDS, *OWNERS, *EMPTY), [word]) for word in words):
        return "it says nothing about the applicant or the collateral"
    return None


def _words(text: str) -> list[str]:
    """The words without case, accents and marks that are not seen."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    seen = "".join(one for one in plain if unicodedata.category(one) not in ("Mn", "Cf"))
    joined = _CUT_OFF.sub("cutoff", seen)
    return [word for word in _NO_WORD.split(joined) if word]


def _found(stems: tuple[str, ...], words: list[str]) -> list[str]:
    """The stems that one of the words has, without their stars."""
    return [stem.rstrip("*") for stem in stems if any(_has(word, stem) for word in words)]


def _has(word: str, stem: str) -> bool:
    return word.startswith(stem[:-1]) if stem.endswith("*") else word == stem
