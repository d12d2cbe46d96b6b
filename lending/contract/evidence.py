"""Evidence as one file: a zip that anybody can open, the same bytes for the same evidence.

What belongs here: which files are in it, and what the manifest says of them. Everything is stored
as it is, without compression, so that the bytes depend on nothing but the evidence. The report is
made by `lending/verify_evidence.py`, which checks such a file and makes the report again.
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from io import BytesIO
from typing import Any, Final

import orjson

from lending.ledger.canonical import instant_text
from lending.ledger.notes import Verifier, decoded, encoded
from lending.service.evidence import limits
from lending.service.evidence.model import (
    Evidence,
    OpenedValue,
    ProvenEvent,
    TooMuchEvidence,
)
from lending.verify_evidence import FORMAT, README, report

MEDIA_TYPE: Final = "application/zip"

_BEGINNING: Final = (1980, 1, 1, 0, 0, 0)
_PLAIN_FILE: Final = 0o100644 << 16
_UNIX: Final = 3
_INDENTED: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE


def file_name(found: Evidence) -> str:
    """What a file of evidence is called."""
    return f"evidence-{found.application_id}-{found.checkpoint.size}.zip"


def bundle(found: Evidence) -> bytes:
    """The file. Raises TooMuchEvidence where it would be larger than one may be."""
    record, said = dict(_record(found)), _said(found)
    files = {"README.txt": README, "report.html": report(said, record), **record}
    files["manifest.json"] = orjson.dumps({**said, "files": _digests(files)}, option=_INDENTED)
    size = sum(len(content) for content in files.values())
    if size > limits.EVIDENCE_MAX_BYTES:
        raise TooMuchEvidence(
            f"the evidence has {size} bytes, and one file at most {limits.EVIDENCE_MAX_BYTES}; ask for"
            " it as it was under an earlier checkpoint"
        )
    return _zipped(files)


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


def _said(found: Evidence) -> dict[str, Any]:
    """What the manifest says beside the digests of the files."""
    return {
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
    }


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
