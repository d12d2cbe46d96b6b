"""The program that checks evidence accepts what is untouched, and nothing else, whatever was done to it."""

import json
import random
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from lending import verify_evidence as program
from lending.ledger.checkpoints import read_checkpoint, sign_checkpoint
from lending.ledger.notes import Verifier, encoded, public_key_of
from tests.evidence.conftest import Kept
from tests.evidence.files import Files, checked, consistent, listed, named, packed, unpacked

SEED = bytes(32)
"""A private key that is not the log's."""
NOT_THE_PAGE = "report.html: it is not the page that these files make; do not rely on it"


def test_what_is_untouched_is_accepted_by_the_key_that_was_given(kept: Kept, at: Path) -> None:
    for content in (kept.sealed, kept.opened):
        verdict = checked(at, content, kept.vkey)
        assert (verdict.faults, verdict.remarks, verdict.own_key) == ([], [], False)


def test_without_a_key_it_is_accepted_by_its_own_and_told_so(kept: Kept, at: Path) -> None:
    verdict = checked(at, kept.sealed)
    assert (verdict.faults, verdict.own_key) == ([], True)


def test_however_the_files_are_packed(kept: Kept, at: Path) -> None:
    files = dict(sorted(unpacked(kept.opened).items()))
    assert checked(at, packed(files, zipfile.ZIP_DEFLATED), kept.vkey).faults == []


def test_another_key_does_not_accept_it(kept: Kept, at: Path) -> None:
    other = Verifier(kept.vkey.partition("+")[0], public_key_of(SEED)).vkey
    assert "not signed by a key you gave" in checked(at, kept.sealed, other).faults[0]


# -- what a careful forger may do ------------------------------------------------------------------

Change = Callable[[Files], Files]


def data_changed(files: Files) -> Files:
    name = named(files, "decided", "data.json")
    return {**files, name: files[name].replace(b"approved", b"rejected")}


def data_and_hash_changed(files: Files) -> Files:
    data, entry = named(files, "decided", "data.json"), named(files, "decided")
    files = data_changed(files)
    said = json.loads(files[entry])
    said["data_sha256"] = sha256(files[data]).hexdigest()
    return {**files, entry: program.canonical(said)}


def actor_changed(files: Files) -> Files:
    name = named(files, "decided")
    return {**files, name: files[name].replace(b"underwriter-1", b"underwriter-2")}


def event_left_out(files: Files) -> Files:
    stem = named(files, "scored").removesuffix("entry.json")
    manifest = json.loads(files["manifest.json"])
    manifest["events"] -= 1
    left = {name: content for name, content in files.items() if not name.startswith(stem)}
    return {**left, "manifest.json": json.dumps(manifest).encode()}


def proofs_swapped(files: Files) -> Files:
    one, other = named(files, "scored", "tlog-proof"), named(files, "decided", "tlog-proof")
    return {**files, one: files[other], other: files[one]}


def data_swapped(files: Files) -> Files:
    one, other = named(files, "scored", "data.json"), named(files, "noted", "data.json")
    return {**files, one: files[other], other: files[one]}


def position_renamed(files: Files) -> Files:
    stem = named(files, "noted").removesuffix("entry.json")
    return {name.replace(stem, "application/000000000001."): c for name, c in files.items()}


def policy_left_out(files: Files) -> Files:
    stem = named(files, "policy_published").removesuffix("entry.json")
    manifest = json.loads(files["manifest.json"])
    manifest["records"] -= 1
    left = {name: content for name, content in files.items() if not name.startswith(stem)}
    return {**left, "manifest.json": json.dumps(manifest).encode()}


def policy_changed(files: Files) -> Files:
    name = named(files, "policy_published", "data.json")
    return {**files, name: files[name].replace(b"0.35", b"0.95").replace(b"35", b"95")}


def principal_left_out(files: Files) -> Files:
    stems = [
        name.removesuffix("entry.json")
        for name, content in files.items()
        if b'"event_type":"principal_registered"' in content
    ]
    manifest = json.loads(files["manifest.json"])
    manifest["records"] -= len(stems)
    left = {name: c for name, c in files.items() if not name.startswith(tuple(stems))}
    return {**left, "manifest.json": json.dumps(manifest).encode()}


def manifest_said(**said: Any) -> Change:
    def change(files: Files) -> Files:
        manifest = {**json.loads(files["manifest.json"]), **said}
        return {**files, "manifest.json": json.dumps(manifest).encode()}

    return change


def size_in_the_future(files: Files) -> Files:
    note = files["checkpoint"]
    size = note.split(b"\n")[1]
    later = note.replace(b"\n" + size + b"\n", b"\n" + b"9" * len(size) + b"9\n", 1)
    return {name: content.replace(note, later) for name, content in files.items()}


def root_changed(files: Files) -> Files:
    note = files["checkpoint"]
    root = note.split(b"\n")[2]
    other = note.replace(root, b"B" + root[1:] if root[:1] != b"B" else b"C" + root[1:])
    return {name: content.replace(note, other) for name, content in files.items()}


def value_in_clear_changed(files: Files) -> Files:
    return {**files, "personal.json": files["personal.json"].replace(b'"6500.00"', b'"9500.00"')}


def value_told_erased(files: Files) -> Files:
    shown = json.loads(files["personal.json"])
    where = {name: shown["values"][0][name] for name in ("position", "pointer", "subject")}
    shown["values"][0] = {**where, "erased": True}
    return {**files, "personal.json": json.dumps(shown).encode()}


def value_left_out(files: Files) -> Files:
    shown = json.loads(files["personal.json"])
    shown["values"].pop()
    return {**files, "personal.json": json.dumps(shown).encode()}


def value_added(files: Files) -> Files:
    shown = json.loads(files["personal.json"])
    shown["values"].append({"position": 1, "pointer": "/x", "subject": "cust_2002", "value": 1})
    return {**files, "personal.json": json.dumps(shown).encode()}


def other_key_of_a_person(files: Files) -> Files:
    shown = json.loads(files["personal.json"])
    shown["persons"][0]["key"] = encoded(bytes(32))
    return {**files, "personal.json": json.dumps(shown).encode()}


def persons_left_out(files: Files) -> Files:
    return {name: content for name, content in files.items() if name != "personal.json"}


def huge_numbers(files: Files) -> Files:
    name = named(files, "decided")
    return {**files, name: re.sub(rb'"version":\d+', b'"version":' + b"9" * 5000, files[name])}


def deep_json(files: Files) -> Files:
    name = named(files, "decided", "data.json")
    return {**files, name: b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"}


def names_repeated(files: Files) -> Files:
    name = named(files, "decided")
    return {**files, name: b'{"position":1,' + files[name][1:]}


FORGERIES: list[tuple[Change, str]] = [
    (data_changed, "the data are not those"),
    (data_and_hash_changed, "is not in the log as it is here"),
    (actor_changed, "is not in the log as it is here"),
    (event_left_out, "version 2 is missing"),
    (proofs_swapped, "it is no proof of position"),
    (data_swapped, "the data are not those"),
    (position_renamed, "it is of position"),
    (policy_left_out, "which it cites, is not in registry/"),
    (policy_changed, "the data are not those"),
    (principal_left_out, "is not in registry/"),
    (manifest_said(application_id="01980000-0000-7000-8000-000000000000"), "it is an event of application"),
    (manifest_said(shard=1), "shard is 1"),
    (manifest_said(shard=False), "shard is False"),
    (manifest_said(size=10**30), "size is"),
    (manifest_said(keys=[]), "keys are not those on record"),
    (manifest_said(persons=[]), "that the manifest does not name"),
    (manifest_said(persons=7), "it is no list"),
    (manifest_said(personal=False), "it is there or not"),
    (manifest_said(events=None), "events is None"),
    (size_in_the_future, "signature of"),
    (root_changed, "signature of"),
    (value_in_clear_changed, "is not what was hashed"),
    (value_told_erased, "is not what was hashed"),
    (value_left_out, "is missing"),
    (value_added, "it holds values that no event has"),
    (other_key_of_a_person, "does not open"),
    (persons_left_out, "it is there or not"),
    (huge_numbers, "it is no JSON"),
    (deep_json, "it is no JSON"),
    (names_repeated, "a name is repeated"),
]  # fmt: skip
IDS = [f"{number}-{change.__name__}" for number, (change, _) in enumerate(FORGERIES)]


@pytest.mark.parametrize(("change", "said"), FORGERIES, ids=IDS)
def test_a_forger_who_makes_the_rest_fit_is_found(
    kept: Kept, at: Path, change: Change, said: str
) -> None:
    changed = change(unpacked(kept.opened))
    assert changed != unpacked(kept.opened)
    verdict = checked(at, packed(consistent(changed)), kept.vkey)
    assert any(said in fault for fault in verdict.faults), verdict.faults


@pytest.mark.parametrize(
    "name", ["report.html", "manifest.json", "checkpoint", "personal.json", "README.txt"]
)
def test_a_file_that_is_missing_is_named(kept: Kept, at: Path, name: str) -> None:
    files = {other: c for other, c in unpacked(kept.opened).items() if other != name}
    verdict = checked(at, packed(files), kept.vkey)
    assert any(fault.startswith(f"{name}: ") for fault in verdict.faults)


def test_a_file_that_does_not_belong_there_is_named(kept: Kept, at: Path) -> None:
    files = {**unpacked(kept.sealed), "../evil.sh": b"rm -rf"}
    assert "../evil.sh: it does not belong here" in checked(at, packed(files), kept.vkey).faults
    verdict = checked(at, packed(consistent(files)), kept.vkey)
    assert "../evil.sh: no such file is known" in verdict.faults


def test_files_of_another_application_are_refused(kept: Kept, at: Path) -> None:
    mine, other = unpacked(kept.sealed), unpacked(kept.other)
    report = listed({**mine, "report.html": other["report.html"]})
    assert checked(at, packed(report), kept.vkey).faults == [NOT_THE_PAGE]
    event = next(name for name in other if name.startswith("application/") and name not in mine)
    for name in ("checkpoint", event):
        found = consistent({**mine, name: other[name]})
        assert not checked(at, packed(found), kept.vkey).accepted


@pytest.mark.parametrize(
    ("said", "forged"),
    [
        (b"approved", b"rejected"),
        (b"12000.00", b"21000.00"),
        (b"underwriter-1", b"underwriter-2"),
        (b"she called", b"he called"),
        (b"</body>", b"<p>It was paid back.</p></body>"),
        (b"Latest decision", b"<!-- -->Latest decision"),
    ],
    ids=["outcome", "amount", "who", "text", "added", "unseen"],
)
def test_a_report_that_says_anything_else_than_the_files_is_refused(
    kept: Kept, at: Path, said: bytes, forged: bytes
) -> None:
    files = unpacked(kept.opened)
    page = files["report.html"].replace(said, forged)
    assert page != files["report.html"]
    verdict = checked(at, packed(listed({**files, "report.html": page})), kept.vkey)
    assert (verdict.faults, verdict.proven) == ([NOT_THE_PAGE], [])


def test_words_of_a_forger_have_no_place_beside_the_report(kept: Kept, at: Path) -> None:
    files = unpacked(kept.opened)
    forged = listed({**files, "README.txt": files["README.txt"] + b"It was approved.\n"})
    assert checked(at, packed(forged), kept.vkey).faults == [
        "README.txt: it is not the one that evidence has"
    ]
    forged = consistent(manifest_said(outcome="rejected")(files))
    assert checked(at, packed(forged), kept.vkey).faults == [
        "manifest.json: it has other members than a manifest"
    ]
    shown = {**json.loads(files["personal.json"]), "outcome": "rejected"}
    forged = consistent({**files, "personal.json": json.dumps(shown).encode()})
    assert checked(at, packed(forged), kept.vkey).faults == [
        "personal.json: it has other members than the persons and the values"
    ]


def test_a_log_made_up_whole_agrees_with_itself_and_is_refused_by_a_key_from_elsewhere(
    kept: Kept, at: Path
) -> None:
    """Whoever makes a key can make a log: only the key that one has from elsewhere tells."""
    files = unpacked(kept.sealed)
    genuine = read_checkpoint(files["checkpoint"].decode())
    forged = sign_checkpoint(genuine, [SEED])
    found = {n: c.replace(files["checkpoint"], forged.encode()) for n, c in files.items()}
    mine = Verifier(genuine.origin, public_key_of(SEED)).vkey
    assert checked(at, packed(consistent(found)), mine).faults == []
    verdict = checked(at, packed(consistent(found)), kept.vkey)
    assert verdict.faults == ["checkpoint: it is not signed by a key you gave"]
    verdict = checked(at, packed(consistent(found)))
    assert verdict.faults == ["checkpoint: it is not signed by a key in the file"]


def test_a_checkpoint_from_elsewhere_tells_a_rewritten_history(kept: Kept, at: Path) -> None:
    note = unpacked(kept.sealed)["checkpoint"].decode()
    mine = program.parse_checkpoint(note, "it")
    same = checked(at, kept.sealed, kept.vkey, mine)
    assert (same.faults, same.remarks) == ([], ["the checkpoint is one of those you gave"])
    other = replace(mine, size=mine.size + 1)
    assert "none was compared" in checked(at, kept.sealed, kept.vkey, other).remarks[0]


def test_two_histories_signed_by_one_key_are_told(kept: Kept, at: Path) -> None:
    genuine = read_checkpoint(unpacked(kept.sealed)["checkpoint"].decode())
    other = program.parse_checkpoint(sign_checkpoint(replace(genuine, root=SEED), kept.seeds), "it")
    faults = checked(at, kept.sealed, kept.vkey, other).faults
    assert any("the history was rewritten" in fault for fault in faults)


# -- whatever else may be done to a file -----------------------------------------------------------


def test_one_bit_changed_anywhere_is_refused_or_changes_no_file(kept: Kept, at: Path) -> None:
    """The zip itself has bytes that say nothing, such as times: there a bit changes nothing."""
    chance, files = random.Random(7), unpacked(kept.opened)
    refused = 0
    for _ in range(400):
        content = bytearray(kept.opened)
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        verdict = checked(at, bytes(content), kept.vkey)
        if verdict.accepted:
            assert unpacked(bytes(content)) == files
        refused += not verdict.accepted
    assert refused > 300


def test_one_bit_changed_in_any_file_is_refused(kept: Kept, at: Path) -> None:
    chance, files = random.Random(11), unpacked(kept.opened)
    for name, content in files.items():
        changed = bytearray(content)
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
        found = {**files, name: bytes(changed)}
        assert not checked(at, packed(found), kept.vkey).accepted, name
        if name not in ("README.txt", "report.html", "manifest.json"):
            assert not checked(at, packed(consistent(found)), kept.vkey).accepted, name


def test_a_file_cut_short_is_refused(kept: Kept, at: Path) -> None:
    for length in range(0, len(kept.sealed), 997):
        assert not checked(at, kept.sealed[:length], kept.vkey).accepted


def test_what_is_no_zip_is_refused(kept: Kept, at: Path) -> None:
    chance = random.Random(3)
    for content in (b"", b"PK", b"{}", chance.randbytes(5000), kept.sealed + kept.sealed[:50]):
        checked(at, content, kept.vkey)
    assert not checked(at, chance.randbytes(5000), kept.vkey).accepted


def test_a_zip_that_unpacks_to_more_than_a_file_may_have_is_refused(
    kept: Kept, at: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program, "FILE_MAX_BYTES", 4_000_000)
    bomb = packed({**unpacked(kept.sealed), "report.html": bytes(50_000_000)}, zipfile.ZIP_DEFLATED)
    assert len(bomb) < 4_000_000
    assert checked(at, bomb, kept.vkey).faults == ["unpacked it has more than 4000000 bytes"]
    assert checked(at, bytes(4_000_001), kept.vkey).faults == ["it is larger than 4000000 bytes"]
    monkeypatch.setattr(program, "FILES_MAX", 20)
    assert checked(at, kept.sealed, kept.vkey).faults == ["it holds more than 20 files"]


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_is_packed_in_an_unusual_way_is_refused(
    kept: Kept, at: Path, compression: int
) -> None:
    (fault,) = checked(at, packed(unpacked(kept.sealed), compression), kept.vkey).faults
    assert "packed in a way that is not read here" in fault


JUNK: list[Any] = [
    None,
    True,
    0,
    -1,
    2**70,
    "",
    "x" * 300,
    [],
    {},
    [[]],
    {"sealed": 1, "subject": []},
]


@pytest.mark.parametrize("name", ["manifest.json", "personal.json", "entry", "data"])
def test_no_value_in_the_place_of_another_makes_it_stumble(kept: Kept, at: Path, name: str) -> None:
    files = unpacked(kept.opened)
    if name in ("entry", "data"):
        name = named(files, "decided", f"{name}.json")
    said = json.loads(files[name])
    for member in said:
        for junk in JUNK:
            content = program.canonical({**said, member: junk})
            if content == program.canonical(said):
                continue
            found = packed(consistent({**files, name: content}))
            verdict = checked(at, found, kept.vkey)
            if not (name == "manifest.json" and member == "files"):
                assert not verdict.accepted, (member, junk)
