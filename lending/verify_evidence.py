#!/usr/bin/env python3
"""Checks evidence of a lending ledger: without the ledger, its database, its programs or any network.

    python verify_evidence.py --vkey "NAME+ID+KEY" evidence-....zip [MORE FILES]

It needs Python 3.9 or newer and the package `cryptography`. Take it, and the key of the log, from
whom you trust: not from who hands you the evidence. For each file it says ACCEPTED or REFUSED and why.

What ACCEPTED means: every event in the file is, bit by bit, in the log whose checkpoint that key
signed (RFC 9162, c2sp.org/tlog-checkpoint); the events are versions 1 to n of one application, none
left out between; what they cite is there and is what was cited; values shown in clear are those that
were hashed; and report.html is, byte for byte, the page that this program makes of these files. Without
--vkey the file is checked by the key in it, which shows only that it agrees with itself. With
--checkpoint it is held against checkpoints that you kept or that were published: only they show that
the log's owner did not sign two histories.

What was applied for and decided is printed as it is proven, so that you need not trust any page.

What it does not mean: that what was recorded is true; that nothing was recorded behind the last
event that is here.

Exit code: 0 all accepted by a key you gave; 1 one or more refused; 2 wrong use, or a file that cannot
be opened; 3 accepted, but by the file's own key only; 4 accepted, but a comparison that was asked
for by --checkpoint was not made, for none of them is of that size.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import hashlib
import json
import re
import sys
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT = "lending-evidence/2"
"""What the manifest calls the format. It covers the report and README.txt too, to the byte: where
they are made otherwise, the number is another.
"""
FILE_MAX_BYTES = 128 * 1024 * 1024
"""The largest file that is opened; what is in it may have as much, however it is packed."""
FILES_MAX = 50_000
HASHES_MAX = 63
"""More hashes than this no proof has."""

OF_THE_BUNDLE = {"README.txt", "report.html", "manifest.json"}
"""Files that are about the others."""
_EVENT_FILE = re.compile(
    r"(application|registry)/([0-9]{12,19})\.(entry\.json|data\.json|tlog-proof)"
)
_ORIGIN = re.compile(r"lending/([0-9a-f-]{36})/(0|[1-9][0-9]{0,3})/([1-9][0-9]{0,9})")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_NOTE = re.compile(r"(?:[^\n]+\n){3,16}\n(?:\u2014 [^\n]+\n){1,64}")
_MANIFEST = {
    "format", "ledger_id", "shard", "application_id", "events", "records", "origin", "size", "root",
    "keys", "personal", "persons", "files",
}  # fmt: skip
DECISIONS_PRINTED = 5
"""So many decisions of an application are printed, the latest; --list has all."""


class Fault(Exception):
    """Something in the file is not as it should be."""


@dataclass
class Verdict:
    """What became of one file: it is accepted where nothing is wrong with it."""

    path: str
    faults: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    about: str = ""
    own_key: bool = False
    not_compared: bool = False
    proven: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)

    @property
    def accepted(self) -> bool:
        """Whether it holds."""
        return not self.faults

    def remark(self, text: str) -> None:
        """Something to know that is no fault; said once."""
        if text not in self.remarks:
            self.remarks.append(text)


@dataclass(frozen=True)
class Key:
    """A public key of a log, under the name it signs by (c2sp.org/signed-note)."""

    name: str
    public: bytes

    @property
    def id(self) -> bytes:
        """What a signature line names it by."""
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]

    @property
    def vkey(self) -> str:
        """How it is handed on."""
        encoded = base64.b64encode(b"\x01" + self.public).decode()
        return f"{self.name}+{self.id.hex()}+{encoded}"


@dataclass(frozen=True)
class Checkpoint:
    """A signed head of a log: note, origin and its parts, size, root, and the signature lines."""

    note: str
    origin: str
    ledger_id: str
    shard: int
    epoch: int
    size: int
    root: bytes
    signatures: tuple[tuple[str, bytes, bytes], ...]

    @property
    def text(self) -> bytes:
        """What was signed."""
        return (self.note.rpartition("\n\n")[0] + "\n").encode()


@dataclass(frozen=True)
class Known:
    """What whoever checks has from elsewhere: keys that are trusted, and checkpoints."""

    keys: list[Key]
    checkpoints: list[Checkpoint]


@dataclass(frozen=True)
class Event:
    """An event whose place in the log is proven."""

    name: str
    entry: dict[str, Any]
    data: dict[str, Any]

    @property
    def position(self) -> int:
        """Its place in the log."""
        return int(self.entry["position"])

    @property
    def type(self) -> str:
        """What happened."""
        return str(self.entry["event_type"])


# -- reading -------------------------------------------------------------------------------------


def read_files(content: bytes) -> dict[str, bytes]:
    """What is in a file of evidence, within limits. Raises Fault, and what zipfile raises."""
    if len(content) > FILE_MAX_BYTES:
        raise Fault(f"it is larger than {FILE_MAX_BYTES} bytes")
    found: dict[str, bytes] = {}
    left = FILE_MAX_BYTES
    with zipfile.ZipFile(BytesIO(content)) as archive:
        members = archive.infolist()
        if len(members) > FILES_MAX:
            raise Fault(f"it holds more than {FILES_MAX} files")
        for member in members:
            if member.filename in found:
                raise Fault(f"{member.filename} is in it twice")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise Fault(f"{member.filename} is packed in a way that is not read here")
            with archive.open(member) as opened:
                found[member.filename] = opened.read(left + 1)
            left -= len(found[member.filename])
            if left < 0:
                raise Fault(f"unpacked it has more than {FILE_MAX_BYTES} bytes")
    return found


def parsed(name: str, content: bytes) -> dict[str, Any]:
    """A file that is a JSON object, without repeated names or binary fractions. Raises Fault."""
    try:
        value = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_once,
            parse_float=_no_fraction,
            parse_constant=_no_fraction,
        )
    except (ValueError, RecursionError) as fault:
        raise Fault(f"{name}: it is no JSON as it is written here ({fault})") from None
    found: dict[str, Any] = _is(value, dict, name)
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is repeated")
    return found


def _no_fraction(text: str) -> Any:
    raise ValueError(f"{text[:20]} is no whole number")


def canonical(value: Any) -> bytes:
    """JSON as the ledger hashes it."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _is(value: Any, kind: type[Any], where: str) -> Any:
    if type(value) is not kind:
        raise Fault(f"{where}: it is no {kind.__name__}")
    return value


def _in(held: dict[str, Any], name: str, kind: type[Any], where: str) -> Any:
    return _is(held.get(name), kind, f"{where}: {name}")


def unbase64(text: str, size: int | None, what: str) -> bytes:
    """The bytes of base64 in its one spelling. Raises Fault."""
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Fault(f"{what} is no base64") from None
    if base64.b64encode(blob).decode() != text or (size is not None and len(blob) != size):
        raise Fault(f"{what} is no base64 of {size} bytes")
    return blob


def parse_vkey(text: str) -> Key:
    """The key that a vkey names. Raises Fault."""
    name, _, rest = text.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    blob = unbase64(encoded, 33, "the key")
    key = Key(name, blob[1:])
    if blob[:1] != b"\x01" or key.id.hex() != key_id or not _ORIGIN.fullmatch(name):
        raise Fault("it is no vkey of a ledger's log: lending/LEDGER/SHARD/EPOCH+ID+KEY")
    return key


def parse_checkpoint(note: str, what: str) -> Checkpoint:
    """A signed checkpoint, its signatures not looked at. Raises Fault."""
    text, blank, lines = note.rpartition("\n\n")
    said = text.split("\n")
    origin = _ORIGIN.fullmatch(said[0])
    if not blank or not lines.endswith("\n") or len(said) < 3 or origin is None:
        raise Fault(f"{what}: it is no signed checkpoint of a ledger's log")
    if not _NUMBER.fullmatch(said[1]):
        raise Fault(f"{what}: its size is no number")
    return Checkpoint(
        note=note,
        origin=said[0],
        ledger_id=origin[1],
        shard=int(origin[2]),
        epoch=int(origin[3]),
        size=int(said[1]),
        root=unbase64(said[2], 32, f"{what}: its root"),
        signatures=tuple(_signature(line, what) for line in lines[:-1].split("\n")[:64]),
    )


def _signature(line: str, what: str) -> tuple[str, bytes, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    blob = unbase64(encoded, None, f"{what}: a signature")
    if dash != "\u2014" or not name or len(blob) < 5:
        raise Fault(f"{what}: a signature line is not of its form")
    return name, blob[:4], blob[4:]


# -- proofs --------------------------------------------------------------------------------------


def root_of(leaf: bytes, index: int, size: int, proof: list[bytes]) -> bytes | None:
    """The root that a proof of inclusion leads to (RFC 9162, section 2.1.3.2)."""
    node, last, head = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if node & 1 or node == last:
            head = hashlib.sha256(b"\x01" + sibling + head).digest()
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        else:
            head = hashlib.sha256(b"\x01" + head + sibling).digest()
        node, last = node >> 1, last >> 1
    return head if last == 0 else None


def proven_event(name: str, files: dict[str, bytes], checkpoint: Checkpoint) -> Event:
    """The event of the three files that are called `name`. Raises Fault where it is not proven."""
    entry_name, data_name, proof_name = (
        f"{name}.{end}" for end in ("entry.json", "data.json", "tlog-proof")
    )
    for needed in (entry_name, data_name, proof_name):
        if needed not in files:
            raise Fault(f"{needed}: it is missing")
    content = files[entry_name]
    entry, data = parsed(entry_name, content), parsed(data_name, files[data_name])
    position = _in(entry, "position", int, entry_name)
    if canonical(entry) != content:
        raise Fault(f"{entry_name}: it is not written as it is hashed")
    if position != int(name.rpartition("/")[2]):
        raise Fault(f"{entry_name}: it is of position {position}")
    if entry.get("data_sha256") != hashlib.sha256(files[data_name]).hexdigest():
        raise Fault(f"{data_name}: the data are not those that position {position} has")
    _check_proof(proof_name, files[proof_name], content, position, checkpoint)
    _check_entry(entry_name, entry, checkpoint)
    return Event(name, entry, data)


def _check_proof(
    name: str, content: bytes, entry: bytes, position: int, checkpoint: Checkpoint
) -> None:
    head, _, note = _text(name, content).partition("\n\n")
    version, *lines = head.split("\n")
    if version != "c2sp.org/tlog-proof@v1" or not lines or len(lines) > HASHES_MAX + 1:
        raise Fault(f"{name}: it is no proof of the form c2sp.org/tlog-proof@v1")
    if note != checkpoint.note:
        raise Fault(f"{name}: it is a proof to another checkpoint than the one in the file")
    if lines[0] != f"index {position - 1}" or not 1 <= position <= checkpoint.size:
        raise Fault(f"{name}: it is no proof of position {position} in {checkpoint.size} leaves")
    hashes = [unbase64(line, 32, f"{name}: a hash") for line in lines[1:]]
    leaf = hashlib.sha256(b"\x00" + entry).digest()
    if root_of(leaf, position - 1, checkpoint.size, hashes) != checkpoint.root:
        raise Fault(f"{name}: position {position} is not in the log as it is here")


def _check_entry(name: str, entry: dict[str, Any], checkpoint: Checkpoint) -> None:
    for member, kind in (
        ("version", int), ("event_type", str), ("application_id", str), ("actor", str),
        ("recorded_at", str), ("epoch", int), ("shard", int), ("ledger_id", str),
    ):  # fmt: skip
        _in(entry, member, kind, name)
    if entry.get("leaf_format") != (2 if "authority" in entry else 1):
        raise Fault(f"{name}: its format is not known here")
    if (entry["ledger_id"], entry["shard"]) != (checkpoint.ledger_id, checkpoint.shard):
        raise Fault(f"{name}: it is of another log")
    if not 1 <= entry["epoch"] <= checkpoint.epoch:
        raise Fault(f"{name}: its epoch is later than the checkpoint's")


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Fault(f"{name}: it is no text") from None


def signed_by(checkpoint: Checkpoint, keys: list[Key]) -> list[Key]:
    """Those of the keys that signed it. Raises Fault where one is named whose signature is wrong."""
    known = {(key.name, key.id): key for key in keys}
    found = []
    for name, key_id, signature in checkpoint.signatures:
        key = known.get((name, key_id))
        if key is None:
            continue
        try:
            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, checkpoint.text)
        except (InvalidSignature, ValueError):
            raise Fault(f"checkpoint: the signature of {key.vkey} is wrong") from None
        found.append(key)
    return found


# -- what is in a file ---------------------------------------------------------------------------


def check(path: Path, known: Known) -> Verdict:
    """What is to be said of one file. Raises OSError where it cannot be opened, nothing else."""
    verdict = Verdict(str(path))
    with path.open("rb") as opened:
        content = opened.read(FILE_MAX_BYTES + 1)
    try:
        _check(read_files(content), known, verdict)
    except Fault as fault:
        verdict.faults.append(str(fault))
    except Exception as fault:  # noqa: BLE001 whatever was done to the file, it is refused
        verdict.faults.append(f"it cannot be read: {type(fault).__name__}: {str(fault)[:200]}")
    return verdict


def _check(files: dict[str, bytes], known: Known, verdict: Verdict) -> None:
    for name in ("manifest.json", "checkpoint", "report.html", "README.txt"):
        if name not in files:
            raise Fault(f"{name}: it is missing: this is no evidence, or not all of it")
    manifest = parsed("manifest.json", files["manifest.json"])
    if manifest.get("format") != FORMAT:
        raise Fault(f"manifest.json: its format is not {FORMAT}")
    _check_digests(files, manifest, verdict)
    checkpoint = parse_checkpoint(_text("checkpoint", files["checkpoint"]), "checkpoint")
    application_id = _in(manifest, "application_id", str, "manifest.json")
    events = _proven("application", files, checkpoint, verdict)
    records = _proven("registry", files, checkpoint, verdict)
    for step in (
        partial(_check_signatures, checkpoint, manifest, records, known, verdict),
        partial(_check_manifest, manifest, checkpoint, events, records),
        partial(_check_stream, events, application_id),
        partial(_check_registry, records, checkpoint),
        partial(_check_keys, manifest, checkpoint, records),
        partial(_check_cited, events, records, verdict),
        partial(_check_persons, files, manifest, events, verdict),
        partial(_check_words, files, manifest, verdict),
    ):
        try:
            step()
        except Fault as fault:
            verdict.faults.append(str(fault))
    verdict.about = (
        f"application {application_id}, {len(events)} events, {len(records)} records;"
        f" log {checkpoint.origin}, {checkpoint.size} leaves"
    )
    verdict.listed = [_listed(one) for one in [*events, *records]]
    verdict.proven = [] if verdict.faults else _summary(events)


def _listed(one: Event) -> str:
    entry = one.entry
    held = {name: value for name, value in one.data.items() if _is_short(value)}
    return (
        f"position {one.position}, version {entry['version']}, {entry['recorded_at']}, {one.type},"
        f" by {entry['actor']}, data sha256 {entry['data_sha256']}: {canonical(held).decode()}"
    )


def _summary(events: list[Event]) -> list[str]:
    """What was applied for and decided, in a few lines: who, when, outcome, amounts, reasons."""
    decided = [one for one in events if one.type in _DECISIONS]
    earlier = len(decided) - DECISIONS_PRINTED
    more = [f"{earlier} earlier decision(s): see --list"] if earlier > 0 else []
    return [
        _told_shortly(events[0], "applicant_id", events),
        *more,
        *(_told_shortly(one, "outcome", events) for one in decided[-DECISIONS_PRINTED:]),
        *([] if decided else ["no decision"]),
    ]


def _told_shortly(one: Event, first: str, events: list[Event]) -> str:
    """An event in a line; what somebody wrote freely is not in it."""
    names = (first, "amount", "term_months", "reasons")
    said = [f"{name} {_bare(one.data[name])}" for name in names if one.data.get(name) is not None]
    where = f"position {one.position}, {one.entry['recorded_at']}, by {one.entry['actor']}"
    currency = f", {_bare(_currency(events))}" if one.data.get("amount") is not None else ""
    return f"{one.type}: {', '.join(said)}{currency} ({where})"


def _bare(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(_bare, value)) or "none"
    return value if isinstance(value, str) else canonical(value).decode()


def _check_digests(files: dict[str, bytes], manifest: dict[str, Any], verdict: Verdict) -> None:
    said = _in(manifest, "files", dict, "manifest.json")
    for name in sorted(said.keys() | files.keys() - {"manifest.json"}):
        if name not in files:
            verdict.faults.append(f"{name}: it is missing")
        elif name not in said:
            verdict.faults.append(f"{name}: it does not belong here")
        elif said[name] != hashlib.sha256(files[name]).hexdigest():
            verdict.faults.append(f"{name}: it is not the file that the manifest names")
        elif not (
            _EVENT_FILE.fullmatch(name) or name in OF_THE_BUNDLE | {"checkpoint", "personal.json"}
        ):
            verdict.faults.append(f"{name}: no such file is known")


def _proven(
    folder: str, files: dict[str, bytes], checkpoint: Checkpoint, verdict: Verdict
) -> list[Event]:
    matches = (_EVENT_FILE.fullmatch(name) for name in files)
    names = {f"{found[1]}/{found[2]}" for found in matches if found and found[1] == folder}
    events = []
    for name in sorted(names):
        try:
            events.append(proven_event(name, files, checkpoint))
        except Fault as fault:
            verdict.faults.append(str(fault))
    return sorted(events, key=lambda one: one.position)


def _check_signatures(
    checkpoint: Checkpoint,
    manifest: dict[str, Any],
    records: list[Event],
    known: Known,
    verdict: Verdict,
) -> None:
    verdict.own_key = not known.keys
    keys = [_under(key, checkpoint, verdict) for key in known.keys] or _own_keys(manifest)
    signed, revoked = signed_by(checkpoint, keys), _revoked(records)
    if not signed:
        whose = "a key you gave" if known.keys else "a key in the file"
        raise Fault(f"checkpoint: it is not signed by {whose}")
    if all(key.public in revoked for key in signed):
        where = revoked[signed[0].public]
        raise Fault(f"checkpoint: its key was revoked at position {where}, which it covers")
    if known.checkpoints:
        _check_outside(checkpoint, known.checkpoints, keys, verdict)


def _under(key: Key, checkpoint: Checkpoint, verdict: Verdict) -> Key:
    """The key by the name it has in the checkpoint's epoch: an epoch renames it, no more."""
    origin = _ORIGIN.fullmatch(key.name)
    if origin is None or (origin[1], int(origin[2])) != (checkpoint.ledger_id, checkpoint.shard):
        return key
    if key.name != checkpoint.origin:
        verdict.remark(
            f"the key you gave is of {key.name}, the checkpoint of {checkpoint.origin}: the log went"
            " on under another epoch, and the registry's event epoch_opened says why"
        )
    return Key(checkpoint.origin, key.public)


def _revoked(records: list[Event]) -> dict[bytes, int]:
    """The keys that the registry says are revoked, and where."""
    at = {r.data.get("key_id"): r.position for r in records if r.type == "signing_key_revoked"}
    return {
        _public_key(one): at[one.data["key_id"]]
        for one in records
        if one.type == "signing_key_issued" and one.data.get("key_id") in at
    }


def _public_key(one: Event) -> bytes:
    return unbase64(_in(one.data, "public_key", str, one.name), 32, f"{one.name}: the key")


def _own_keys(manifest: dict[str, Any]) -> list[Key]:
    rows = _in(manifest, "keys", list, "manifest.json")
    return [parse_vkey(_in(_is(row, dict, "a key"), "vkey", str, "a key")) for row in rows[:100]]


def _check_outside(
    checkpoint: Checkpoint, outside: list[Checkpoint], keys: list[Key], verdict: Verdict
) -> None:
    same = [o for o in outside if (o.origin, o.size) == (checkpoint.origin, checkpoint.size)]
    for other in same:
        if other.root != checkpoint.root and signed_by(other, keys):
            raise Fault(
                f"checkpoint: another of {checkpoint.size} leaves was signed by the same key with"
                " another root: the history was rewritten"
            )
    if any(other.root == checkpoint.root and signed_by(other, keys) for other in same):
        verdict.remark("the checkpoint is one of those you gave")
    else:
        verdict.not_compared = True
        verdict.remark(
            f"none of the checkpoints you gave is of {checkpoint.size} leaves: none was compared"
        )


def _check_manifest(
    manifest: dict[str, Any], checkpoint: Checkpoint, events: list[Event], records: list[Event]
) -> None:
    said = {
        "ledger_id": checkpoint.ledger_id,
        "shard": checkpoint.shard,
        "origin": checkpoint.origin,
        "size": checkpoint.size,
        "root": base64.b64encode(checkpoint.root).decode(),
        "events": len(events),
        "records": len(records),
    }
    for name, value in said.items():
        if manifest.get(name) != value or type(manifest[name]) is not type(value):
            raise Fault(
                f"manifest.json: {name} is {manifest.get(name)!r:.80}, and {value!r} in the files"
            )


def _check_stream(events: list[Event], application_id: str) -> None:
    """Versions 1 to n of one application, in the order of the log."""
    before = ""
    for version, one in enumerate(events, 1):
        if one.entry["application_id"] != application_id:
            raise Fault(f"{one.name}: it is an event of application {one.entry['application_id']}")
        if one.entry["version"] != version:
            raise Fault(f"{one.name}: version {version} is missing; this is {one.entry['version']}")
        if one.entry["recorded_at"] < before:
            raise Fault(f"{one.name}: it was recorded before the event in front of it")
        before = one.entry["recorded_at"]
    if not events or events[0].type != "applied":
        raise Fault("the events do not begin with an application")


def _check_registry(records: list[Event], checkpoint: Checkpoint) -> None:
    """Events of the shard's registry, whose definitions have the digests that they name."""
    registry = uuid.UUID(int=7 << 76 | checkpoint.shard << 64 | 2 << 62 | 1)
    versions = [one.entry["version"] for one in records]
    if versions != sorted(set(versions)):
        raise Fault("registry: its events are not in the order of their versions")
    for one in records:
        if one.entry["application_id"] != str(registry):
            raise Fault(f"{one.name}: it is no event of the registry")
        if one.type == "policy_published":
            defined = _in(one.data, "definition", str, one.name).encode()
        elif one.type == "product_published":
            defined = canonical(_in(one.data, "product", dict, one.name))
        else:
            continue
        if one.data.get("digest") != hashlib.sha256(defined).hexdigest():
            raise Fault(f"{one.name}: the definition is not the one of its digest")


def _check_keys(manifest: dict[str, Any], checkpoint: Checkpoint, records: list[Event]) -> None:
    """The keys that the manifest names are those on record, and until when each signs."""
    on_record: dict[str, dict[str, Any]] = {}
    for one in records:
        if one.type == "signing_key_revoked" and one.data.get("key_id") in on_record:
            on_record[one.data["key_id"]]["revoked_position"] = one.position
        if one.type != "signing_key_issued":
            continue
        replaced = on_record.get(str(one.data.get("replaces")))
        if replaced is not None:
            replaced["signs_until"] = one.data.get("replaced_until")
        key_id = _in(one.data, "key_id", str, one.name)
        on_record[key_id] = {
            "key_id": key_id,
            "vkey": Key(checkpoint.origin, _public_key(one)).vkey,
            "position": one.position,
            "recorded_at": one.entry["recorded_at"],
            "signs_until": None,
            "revoked_position": None,
        }
    if manifest.get("keys") != list(on_record.values()):
        raise Fault("manifest.json: its keys are not those on record in registry/")


def _check_cited(events: list[Event], records: list[Event], verdict: Verdict) -> None:
    """What the events cite is in the registry, before them, and is what they say."""
    by_position = {one.position: one for one in records}
    for one in events:
        for kind in ("policy", "product"):
            if isinstance(cited := one.data.get(kind), dict):
                _check_definition(one, kind, cited, by_position, verdict)
        if one.type == "scored":
            _check_model(one, records, verdict)
        _check_principal(one, records)


def _check_definition(
    one: Event, kind: str, cited: dict[str, Any], records: dict[int, Event], verdict: Verdict
) -> None:
    what = f"{kind} {cited.get('name')!s:.80} version {cited.get('version')!s:.80}"
    position = cited.get("registry_position")
    if position is None:
        verdict.remark(f"{one.name} cites {what}, which the ledger never held")
        return
    found = records.get(position) if type(position) is int else None
    if found is None or found.type != f"{kind}_published" or found.position >= one.position:
        raise Fault(f"{one.name}: {what}, which it cites, is not in registry/ at {position!s:.20}")
    named = found.data["product"] if kind == "product" else found.data
    said = (cited.get("name"), cited.get("version"), cited.get("digest"))
    if (named.get("name"), named.get("version"), found.data.get("digest")) != said:
        raise Fault(f"{one.name}: it cites another {kind} than registry/ has at {position}")


def _check_model(one: Event, records: list[Event], verdict: Verdict) -> None:
    name, version = one.data.get("model"), one.data.get("model_version")
    found = [
        record.data for record in records
        if record.type == "model_registered" and record.position < one.position
        and (record.data.get("name"), record.data.get("version")) == (name, version)
    ]  # fmt: skip
    artifact = one.data.get("artifact_digest")
    if not found:
        verdict.remark(f"score model {name!s:.80} version {version!s:.80} is not on record")
    elif artifact is not None and found[-1].get("artifact_digest") != artifact:
        verdict.remark(f"{one.name} names another artifact than its score model is registered with")


def _check_principal(one: Event, records: list[Event]) -> None:
    """Who proved itself by a key of the ledger is on record, with that key, before it acted."""
    authority = one.entry.get("authority")
    credential = authority.get("credential") if isinstance(authority, dict) else None
    if not isinstance(credential, str) or not credential.startswith("key "):
        return
    actor, key_id = one.entry["actor"], credential[4:]
    earlier = [record for record in records if record.position < one.position]
    if not any(r.type == "principal_registered" and r.data.get("name") == actor for r in earlier):
        raise Fault(f"{one.name}: its principal {actor:.80} is not in registry/")
    issued = ("key_issued", key_id, actor)
    if issued not in [(r.type, r.data.get("key_id"), r.data.get("principal")) for r in earlier]:
        raise Fault(f"{one.name}: the key {key_id:.80} of {actor:.80} is not in registry/")


# -- persons ---------------------------------------------------------------------------------


def sealed_in(data: Any, place: str, pointer: str = "") -> Iterator[tuple[str, str, str, str]]:
    """The sealed values in data: JSON pointer, the place it was sealed for, whose it is, the value."""
    if isinstance(data, dict):
        if data.keys() == {"sealed", "subject"}:
            yield pointer, place, str(data["subject"]), str(data["sealed"])
            return
        for name, item in data.items():
            yield from sealed_in(item, f"{place}.{name}", f"{pointer}/{name}")
    elif isinstance(data, list):
        for index, item in enumerate(data):
            yield from sealed_in(item, place, f"{pointer}/{index}")


def _check_persons(
    files: dict[str, bytes], manifest: dict[str, Any], events: list[Event], verdict: Verdict
) -> None:
    rows = [_is(row, dict, "a person") for row in _in(manifest, "persons", list, "manifest.json")]
    states = {_in(row, "subject", str, "a person"): row.get("state") for row in rows}
    erased = {one.data.get("subject") for one in events if one.type == "subject_erased"}
    for one in events:
        for pointer, _, subject, _ in sealed_in(one.data, one.type):
            if subject not in states:
                raise Fault(f"{one.name}: {pointer} is of a person that the manifest does not name")
    for subject, state in states.items():
        if state not in ("sealed", "opened", "erased"):
            raise Fault(f"manifest.json: what is shown of {subject:.80} is {state!s:.20}")
        if state == "erased" and subject not in erased:
            verdict.remark(f"{subject:.80} reads as erased, which no event here says")
        if state != "erased" and subject in erased:
            raise Fault(f"manifest.json: {subject:.80} is erased, and is told to be {state}")
    if _in(manifest, "personal", bool, "manifest.json") != ("personal.json" in files):
        raise Fault("personal.json: it is there or not against what the manifest says")
    if "personal.json" in files:
        _check_opened(parsed("personal.json", files["personal.json"]), states, events)
    elif "opened" in states.values():
        raise Fault("manifest.json: it says that data are shown, which are not here")


def _check_opened(shown: dict[str, Any], states: dict[str, Any], events: list[Event]) -> None:
    """The values in clear are those that were hashed: each opens with its person's key."""
    where = "personal.json"
    if shown.keys() != {"persons", "values"}:
        raise Fault(f"{where}: it has other members than the persons and the values")
    persons = [_is(row, dict, where) for row in _in(shown, "persons", list, where)]
    if {str(row.get("subject")): row.get("state") for row in persons} != states:
        raise Fault(f"{where}: its persons are not those of the manifest")
    keys = {row["subject"]: row.get("key") for row in persons}
    values = {}
    for row in _in(shown, "values", list, where):
        value = _is(row, dict, where)
        values[_in(value, "position", int, where), _in(value, "pointer", str, where)] = value
    for one in events:
        for pointer, place, subject, sealed in sealed_in(one.data, one.type):
            value = values.pop((one.position, pointer), None)
            if value is None or value.get("subject") != subject:
                raise Fault(f"{where}: the value of position {one.position}, {pointer}, is missing")
            said = {name: value[name] for name in ("erased", "value") if name in value}
            if states[subject] == "erased":
                found: dict[str, Any] = {"erased": True}
                held = keys[subject] is None
            else:
                bound = f"{one.entry['application_id']}/{subject}/{place}".encode()
                found = {"value": _opened(keys[subject], sealed, bound)}
                held = True
            if not held or canonical(said) != canonical(found):
                raise Fault(f"{where}: position {one.position}, {pointer}, is not what was hashed")
    if values:
        raise Fault(f"{where}: it holds values that no event has")


def _opened(key: Any, sealed: str, bound: bytes) -> Any:
    cipher = AESGCM(unbase64(_is(key, str, "a person's key"), 32, "a person's key"))
    blob = unbase64(sealed, None, "a sealed value")
    try:
        return json.loads(cipher.decrypt(blob[:12], blob[12:], bound))
    except (InvalidTag, ValueError):
        raise Fault("personal.json: a person's key does not open what was hashed") from None


def _check_words(files: dict[str, bytes], manifest: dict[str, Any], verdict: Verdict) -> None:
    """What is for reading says what is proven. Where something else is wrong, nothing is proven."""
    if verdict.faults:
        return
    if manifest.keys() != _MANIFEST:
        raise Fault("manifest.json: it has other members than a manifest")
    if files["README.txt"] != README:
        raise Fault("README.txt: it is not the one that evidence has")
    if files["report.html"] != report(manifest, files):
        raise Fault("report.html: it is not the page that these files make; do not rely on it")


# -- the report ----------------------------------------------------------------------------------

README = b"""Evidence of one application for credit, out of an append-only ledger.

report.html           what the files below say, on one page, to be read and printed
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

A page that was not checked proves nothing: anybody can write one.
"""
"""README.txt of a file of evidence."""

_STYLE = (
    "body{font:14px/1.45 system-ui,sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;width:100%;margin:1em 0}ul{margin:.2em 0;padding-left:1.2em}"
    "th,td{padding:.35em .6em;border-bottom:1px solid #ccc;text-align:left;vertical-align:top}"
    "caption{text-align:left;font-weight:600;padding:.4em 0}tr{break-inside:avoid}"
    "code,pre{font:11px/1.35 ui-monospace,monospace;white-space:pre-wrap;overflow-wrap:anywhere;margin:.3em 0 0}"
    ":target{background:#ffc}@media print{body{margin:0;max-width:none}a{color:inherit}}"
)
_STATES = {
    "sealed": "is encrypted in this file, and reads (withheld)",
    "opened": "is shown in this file: look after it accordingly",
    "erased": "is erased: the key was destroyed, and it reads (erased)",
}
_DECISIONS = ("decided", "overridden")
_SHORT = 300
"""A text of at most so many characters stands in a line of its own."""


class _Hidden(str):
    """What stands where a personal value is not shown."""

    __slots__ = ()


def report(manifest: dict[str, Any], files: dict[str, bytes]) -> bytes:
    """The page that tells what is in the files: nothing on it comes from anywhere else.

    The ledger makes the page with this function, and who checks makes it again: so a page that was
    changed is not the one. It tells every event by its own members rather than in sentences: words
    that are improved would make the page of a file that was handed out years ago another one.
    """
    events, records = _read_events("application", files), _read_events("registry", files)
    reads = _readable(manifest, files)
    events = [replace(one, data=_in_clear(one, reads)) for one in events]
    title = f"Evidence of application {manifest['application_id']}"
    body = "".join(
        [
            f"<h1>{escape(title)}</h1>{_head(manifest, events)}",
            _table("What was decided", "position|when|by whom|outcome|amount|reasons|on", _decisions(events)),
            _table("What happened", "version, position|when|who|what", _told(events, records)),
            _table("What is cited", "version, position|when|who|what", _told(records, [])),
            _table("Keys of the log", "key|on record at|signs until|revoked at", _told_keys(manifest)),
            _table("Persons", "pseudonym|what is personal", _told_persons(manifest)),
        ]
    )  # fmt: skip
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(title)}</title>"
        f"<style>{_STYLE}</style><body>{body}</body></html>\n"
    ).encode()


def _read_events(folder: str, files: dict[str, bytes]) -> list[Event]:
    """The events in a folder by their positions, as they are written, proven or not."""
    ends = (".entry.json", ".data.json")
    names = sorted(
        n[: -len(ends[0])] for n in files if n.startswith(folder) and n.endswith(ends[0])
    )
    found = (Event(name, *(json.loads(files[name + end]) for end in ends)) for name in names)
    return sorted(found, key=lambda one: one.position)


def _readable(manifest: dict[str, Any], files: dict[str, bytes]) -> dict[Any, Any]:
    """What a personal value reads as: by position and JSON pointer, else by the person."""
    reads: dict[Any, Any] = {
        one["subject"]: _Hidden("(erased)" if one["state"] == "erased" else "(withheld)")
        for one in manifest["persons"]
    }
    if "personal.json" in files:
        for one in json.loads(files["personal.json"])["values"]:
            if "value" in one:
                reads[one["position"], one["pointer"]] = one["value"]
    return reads


def _in_clear(one: Event, reads: dict[Any, Any]) -> Any:
    """The data of an event with what each personal value reads as."""

    def clear(data: Any, pointer: str) -> Any:
        if isinstance(data, dict):
            if data.keys() == {"sealed", "subject"}:
                withheld = reads.get(str(data["subject"]), _Hidden("(withheld)"))
                return reads.get((one.position, pointer), withheld)
            return {name: clear(item, f"{pointer}/{name}") for name, item in data.items()}
        if isinstance(data, list):
            return [clear(item, f"{pointer}/{index}") for index, item in enumerate(data)]
        return data

    return clear(one.data, "")


def _head(manifest: dict[str, Any], events: list[Event]) -> str:
    decided = [one for one in events if one.type in _DECISIONS]
    last = "none"
    if decided:
        last = f"<b>{_value(decided[-1].data.get('outcome'))}</b>, {_link(decided[-1].position)}"
    return (
        f"<p>Latest decision: {last}. Every event of the application up to position"
        f" {manifest['size']} of the log is here: versions 1 to {len(events)}. Amounts are in"
        f" {_value(_currency(events))} where an event names no other currency, times in UTC.</p>"
        f"<p>Log <code>{escape(manifest['origin'])}</code>, {manifest['size']} leaves, root"
        f" <code>{escape(manifest['root'])}</code>.</p>"
        "<p>By itself this page proves nothing. It is made of the files beside it, each named by its"
        " position. <code>verify_evidence.py</code> checks them with the key of the log, makes this"
        " page of them again, and refuses the whole where a byte differs. README.txt says how.</p>"
    )


def _currency(events: list[Event]) -> Any:
    return events[0].data.get("currency", "") if events else ""


def _decisions(events: list[Event]) -> Iterator[list[str]]:
    """Each decision, with the score that was on file."""
    score = ""
    for one in events:
        said = one.data
        if one.type == "scored":
            of = f"{_value(said.get('model'))} version {_value(said.get('model_version'))}"
            score = f"score {_value(said.get('score'))} of {of}, {_link(one.position)}"
        elif one.type in _DECISIONS:
            policy = said.get("policy")
            by = ""
            if isinstance(policy, dict):
                by = f"policy {_value(policy.get('name'))} version {_value(policy.get('version'))}"
            amount = "" if said.get("amount") is None else _value(said["amount"])
            outcome, reasons = _value(said.get("outcome")), _value(said.get("reasons", []))
            on = ", ".join(part for part in (by, score) if part)
            yield [_link(one.position), _when(one), _who(one), outcome, amount, reasons, on]


def _told(events: list[Event], cited: list[Event]) -> Iterator[list[str]]:
    for one in events:
        anchor = f'<a id="p{one.position}">{one.position}</a>'
        links = "".join(f" see {_link(each)}" for each in _cited_at(one, cited))
        what = f"<b>{escape(one.type.replace('_', ' '))}</b>{links}{_members(one.data)}"
        yield [f"{escape(str(one.entry['version']))}, {anchor}", _when(one), _who(one), what]


def _cited_at(one: Event, records: list[Event]) -> Iterator[int]:
    """Where on the page what the event cites is."""
    named = [
        one.data[kind] for kind in ("policy", "product") if isinstance(one.data.get(kind), dict)
    ]
    places = [each.get("registry_position") for each in named]
    model = (one.data.get("model"), one.data.get("model_version"))
    for record in records:
        said = (record.data.get("name"), record.data.get("version"))
        if record.position in places or (record.type == "model_registered" and said == model):
            yield record.position


def _members(data: Any) -> str:
    """What an event holds: what is short line by line, the rest as JSON."""
    held = data if isinstance(data, dict) else {"data": data}
    lines = {name: value for name, value in held.items() if _is_short(value)}
    rest = {name: value for name, value in held.items() if name not in lines}
    told = "".join(f"<li>{escape(n.replace('_', ' '))}: {_value(v)}</li>" for n, v in lines.items())
    nested = f"<pre>{escape(json.dumps(rest, ensure_ascii=False))}</pre>" if rest else ""
    return f"<ul>{told}</ul>{nested}" if told else nested


def _is_short(value: Any) -> bool:
    if isinstance(value, list):
        return all(isinstance(one, str) and _is_short(one) for one in value)
    return not isinstance(value, dict) and len(str(value)) <= _SHORT


def _value(value: Any) -> str:
    """A value as it is recorded; what is not shown is set apart from what somebody wrote."""
    if isinstance(value, _Hidden):
        return f"<i>{escape(value)}</i>"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(_value(one) for one in value) or "none"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"<bdi>{escape(text)}</bdi>"


def _when(one: Event) -> str:
    recorded, effective = str(one.entry["recorded_at"]), str(one.entry.get("effective_at"))
    return escape(recorded if effective == recorded else f"{recorded}, counting from {effective}")


def _who(one: Event) -> str:
    by = one.entry
    behalf = f" for {by['on_behalf_of']}" if by.get("on_behalf_of") else ""
    build = f", {by['agent_build']}" if by.get("agent_build") else ""
    return escape(f"{by['actor']}{behalf} ({by.get('actor_kind')}{build})")


def _told_keys(manifest: dict[str, Any]) -> Iterator[list[str]]:
    for key in manifest["keys"]:
        revoked = "" if key["revoked_position"] is None else _link(key["revoked_position"])
        until = escape(key["signs_until"] or "")
        yield [f"<code>{escape(key['vkey'])}</code>", _link(key["position"]), until, revoked]


def _told_persons(manifest: dict[str, Any]) -> Iterator[list[str]]:
    for one in manifest["persons"]:
        yield [_value(one["subject"]), escape(_STATES[one["state"]])]


def _link(position: int) -> str:
    return f'<a href="#p{position}">{position}</a>'


def _table(caption: str, heads: str, rows: Iterator[list[str]]) -> str:
    """A table; the cells are HTML."""
    head = "".join(f"<th>{escape(name)}</th>" for name in heads.split("|"))
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return (
        f"<table><caption>{escape(caption)}</caption><tr>{head}</tr>{body}</table>" if body else ""
    )


# -- the command ---------------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """Check the files that are named, say what became of each, and of all."""
    asked = _arguments().parse_args(arguments)
    try:
        keys = [parse_vkey(text) for text in asked.vkey]
        known = Known(keys, [one for path in asked.checkpoint for one in _outside(path)])
    except (Fault, OSError, ValueError) as fault:
        print(f"verify_evidence: {fault}", file=sys.stderr)
        return 2
    verdicts, missing = [], 0
    for path in asked.files:
        try:
            verdicts.append(check(path, known))
        except OSError as fault:
            print(f"{path}: cannot be opened: {fault.strerror}", file=sys.stderr)
            missing += 1
        else:
            _tell(verdicts[-1], asked)
    refused = sum(not one.accepted for one in verdicts)
    print(f"in total: {len(verdicts) - refused} accepted, {refused} refused, {missing} not opened")
    if missing or refused:
        return 1 if refused else 2
    if any(one.own_key for one in verdicts):
        return 3
    return 4 if any(one.not_compared for one in verdicts) else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--vkey", action="append", default=[], help="a key of the log; repeatable")
    parser.add_argument(
        "--checkpoint", action="append", default=[], type=Path, metavar="FILE",
        help="checkpoints that were kept or published: a file of them, or a directory with files"
        " *.checkpoint; repeatable",
    )  # fmt: skip
    parser.add_argument(
        "--list", action="store_true", help="list every event that is proven, and what it holds"
    )
    parser.add_argument("--quiet", action="store_true", help="only what is refused, and the total")
    return parser


def _outside(path: Path) -> list[Checkpoint]:
    """The checkpoints in a file, or in the files under a directory. Raises Fault, OSError."""
    files = sorted(path.rglob("*.checkpoint")) if path.is_dir() else [path]
    found = [
        parse_checkpoint(note, str(file))
        for file in files
        for note in _NOTE.findall(file.read_text("utf-8"))
    ]
    if not found:
        raise Fault(f"{path}: it holds no checkpoint")
    return found


def _tell(verdict: Verdict, asked: argparse.Namespace) -> None:
    if verdict.accepted and asked.quiet:
        return
    weaker = "by its own key only: it agrees with itself, which anybody can bring about"
    how = weaker if verdict.own_key else "by a key you gave"
    how += "; compared with NO checkpoint of yours" if verdict.not_compared else ""
    print(f"{verdict.path}: {f'ACCEPTED, {how}' if verdict.accepted else 'REFUSED'}")
    for line in [verdict.about] if verdict.about else []:
        print(f"  {_shown(line)}")
    for line in verdict.proven:
        print(f"  proven: {_shown(line)}")
    for fault in verdict.faults:
        print(f"  wrong: {_shown(fault)}")
    for remark in verdict.remarks:
        print(f"  remark: {_shown(remark)}")
    for line in verdict.listed if asked.list else []:
        print(f"  {_shown(line)}")


def _shown(text: str) -> str:
    """Text of the file without what would move a terminal's cursor."""
    return "".join(one if one.isprintable() else "?" for one in text)[:1000]


if __name__ == "__main__":
    sys.exit(main())
