"""Evidence as it is served: whole, the same for the same checkpoint, and to whom it may be given."""

import itertools
import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from lending import verify_evidence as program
from lending.domain.subjects import SubjectErased
from lending.ledger.canonical import canonical_json
from lending.ledger.checkpoints import read_checkpoint, sign_checkpoint
from lending.ledger.codec import Codec, NoKeyring
from lending.ledger.merkle import hash_leaf
from lending.ledger.notes import parse_vkey
from lending.ledger.proofs import parse_proof
from lending.ledger.submission import EncodedEvent
from lending.service.epoch import open_epoch
from lending.service.evidence import limits
from lending.service.ledger import new_id
from tests.api.acting import actor
from tests.api.served import APPLICATIONS, problem
from tests.evidence.conftest import NOTE, PURPOSE, Bank, opened_bank
from tests.evidence.files import checked, consistent, packed, unpacked
from tests.identities import somebody
from tests.ledgers import submission

pytestmark = pytest.mark.anyio


async def verdict(bank: Bank, content: bytes, at: Path) -> program.Verdict:
    return checked(at, content, await bank.vkey())


async def test_it_is_one_file_with_a_name(bank: Bank) -> None:
    answer = await bank.api.get(f"{bank.application}/evidence")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["cache-control"] == "no-store"
    name = re.fullmatch(
        r'attachment; filename="evidence-([0-9a-f-]{36})-(\d+)\.zip"',
        answer.headers["content-disposition"],
    )
    assert name is not None
    assert bank.application.endswith(name[1])


async def test_the_same_checkpoint_gives_the_same_bytes_however_the_log_grows(bank: Bank) -> None:
    first = await bank.evidence()
    size = json.loads(unpacked(first)["manifest.json"])["size"]
    await bank.api.applied()
    await bank.sealed.seal()
    assert await bank.evidence(size=size) == first
    assert await bank.evidence() != first
    assert await bank.evidence(size=size, personal="true") == await bank.evidence(
        size=size, personal="true"
    )


async def test_what_is_proven_is_proven_to_others_too(bank: Bank) -> None:
    """Each event's three files are what c2sp.org/tlog-proof and the log's own entries are."""
    found, key = unpacked(await bank.evidence()), parse_vkey(await bank.vkey())
    proofs = [name for name in found if name.endswith(".tlog-proof")]
    assert len(proofs) == 16
    for name in proofs:
        entry = found[name.replace(".tlog-proof", ".entry.json")]
        proof = parse_proof(found[name].decode())
        checkpoint = proof.verify(hash_leaf(entry), key.name, [key.public_key])
        assert checkpoint.text() in found["checkpoint"].decode()


async def test_it_holds_what_the_application_cites(bank: Bank) -> None:
    found = unpacked(await bank.evidence())
    types = [
        json.loads(content)["event_type"]
        for name, content in found.items()
        if name.endswith(".entry.json")
    ]
    assert types == [
        "applied", "scored", "decided", "offered", "noted",
        "policy_published", "policy_activated", "signing_key_issued", "product_published", "model_registered",
        *["principal_registered", "key_issued"] * 3,
    ]  # fmt: skip


async def test_what_is_personal_is_not_in_it_unless_it_is_asked_for(bank: Bank, at: Path) -> None:
    sealed, opened = await bank.evidence(), await bank.evidence(personal="true")
    for text in (PURPOSE, "6500.00", "1250.5", NOTE, "she called"):
        assert text.encode() not in sealed
    page = unpacked(opened)["report.html"].decode()
    assert "she called &amp; asked &lt;when&gt;" in page
    assert "<when>" not in page
    values = json.loads(unpacked(opened)["personal.json"])["values"]
    assert {one["value"] for one in values if isinstance(one["value"], str)} >= {PURPOSE, NOTE}
    assert (await verdict(bank, opened, at)).faults == []


async def test_the_report_tells_it_and_links_what_is_cited(bank: Bank) -> None:
    page = unpacked(await bank.evidence())["report.html"].decode()
    assert "Latest decision: <b><bdi>approved</bdi></b>" in page
    assert "versions 1 to 5" in page
    assert "<li>applicant id: <bdi>cust_2002</bdi></li>" in page
    assert "<li>purpose: <i>(withheld)</i></li>" in page
    assert "<b>scored</b> see <a" in page
    assert "underwriter-1 (agent)" in page
    assert (
        "<td><bdi>approved</bdi></td><td><bdi>12000.00</bdi></td><td>none</td><td>policy"
        " <bdi>debt-to-income</bdi> version <bdi>1</bdi>, score <bdi>712</bdi> of"
        " <bdi>credit-risk</bdi> version <bdi>7</bdi>, " in page
    )
    for target in re.findall(r'href="#(p\d+)"', page):
        assert f'id="{target}"' in page
    assert "<script" not in page
    assert "src=" not in page


async def test_an_event_that_is_not_sealed_is_waited_for_and_then_told(
    bank: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "EVIDENCE_SEALING_WAIT_SECONDS", 0.2)
    path = await bank.api.applied()
    answer = await bank.api.get(f"{path}/evidence")
    body = problem(answer, 503, "evidence_not_sealed")
    assert body["retryable"]
    assert answer.headers["retry-after"] == "1"
    assert body["position"] > body["size"]
    problem(await bank.api.get(f"{path}/evidence?size={body['size']}"), 404, "moment_not_found")
    await bank.sealed.seal()
    assert (await bank.api.get(f"{path}/evidence")).status_code == 200


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        (
            f"{APPLICATIONS}/019c1111-2222-7000-8333-444455556666/evidence",
            404,
            "application_not_found",
        ),
        (
            f"{APPLICATIONS}/{UUID(int=7 << 76 | 2 << 62 | 1)}/evidence",
            404,
            "application_not_found",
        ),
        (f"{APPLICATIONS}/nobody/evidence", 422, "invalid_id"),
        ("{}/evidence?size=0", 422, "invalid_request"),
        ("{}/evidence?size=99999999999", 422, "invalid_request"),
        ("{}/evidence?personal=maybe", 422, "invalid_request"),
        ("{}/evidence?version=1", 422, "invalid_request"),
        ("{}/evidence?size=999999999", 404, "not_sealed"),
        ("{}/evidence?size=2", 404, "checkpoint_not_found"),
    ],
)
async def test_what_is_asked_wrongly_is_told_so(
    bank: Bank, path: str, status: int, code: str
) -> None:
    problem(await bank.api.get(path.format(bank.application)), status, code)


async def test_of_a_size_without_checkpoint_the_nearest_are_named(bank: Bank) -> None:
    for _ in range(2):
        await bank.sealed.append(3)
        await bank.sealed.seal()
    query = "select distinct size from transparency.checkpoints order by size"
    sizes = [size for (size,) in bank.api.rows(query)]
    below, above = next((a, b) for a, b in itertools.pairwise(sizes) if b - a > 1)
    said = f"no checkpoint of {above - 1} leaves; the nearest are of {below} and of {above}"
    for path in (f"{bank.application}/evidence", "/log/0/proof/1"):
        answer = await bank.api.get(f"{path}?size={above - 1}")
        assert said in problem(answer, 404, "checkpoint_not_found")["detail"]


async def test_it_is_given_to_whom_may_read_applications_and_the_log(bank: Bank) -> None:
    for role, status in (
        ("auditor", 200),
        ("underwriter", 200),
        ("analyst", 403),
        ("admin", 403),
        ("importer", 403),
    ):
        who = await actor(bank.api, somebody(f"reading-{role}", role))
        answer = await who.get(f"{bank.application}/evidence?personal=true")
        assert answer.status_code == status, role


async def test_more_than_a_file_may_hold_is_refused_and_an_earlier_moment_is_not(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, at: Path
) -> None:
    path = await bank.api.applied()
    await bank.sealed.seal()
    size = json.loads(unpacked(await bank.evidence(path))["manifest.json"])["size"]
    for number in range(3):
        assert (await bank.api.post(f"{path}/notes", {"text": f"note {number}"})).status_code == 200
    await bank.sealed.seal()
    monkeypatch.setattr(limits, "EVIDENCE_MAX_EVENTS", 2)
    body = problem(await bank.api.get(f"{path}/evidence"), 409, "too_much_evidence")
    assert "more than 2 events" in body["detail"]
    assert (await verdict(bank, await bank.evidence(path, size=size), at)).faults == []
    monkeypatch.setattr(limits, "EVIDENCE_MAX_RECORDS", 0)
    problem(await bank.api.get(f"{path}/evidence?size={size}"), 409, "too_much_evidence")
    monkeypatch.setattr(limits, "EVIDENCE_MAX_RECORDS", 20)
    monkeypatch.setattr(limits, "EVIDENCE_MAX_BYTES", 3_000)
    problem(await bank.api.get(f"{path}/evidence?size={size}"), 409, "too_much_evidence")


async def test_a_person_whose_key_is_destroyed_reads_as_erased_and_all_else_holds(
    bank: Bank, at: Path
) -> None:
    path = await bank.api.applied(
        purpose=PURPOSE, co_applicants=[{"applicant_id": "x", "income": 7}]
    )
    await bank.sealed.seal()
    whole = unpacked(await bank.evidence(path))
    bank.sealed.tamper(
        "update vault.subject_keys set wrapped_key = null, destroyed_at = now() where subject = 'cust_2002'"
        f" and application_id = '{path.rpartition('/')[2]}'"
    )
    found: dict[str, bytes] = {}
    for asked in ("false", "true"):
        content = await bank.evidence(path, personal=asked)
        found = unpacked(content)
        assert PURPOSE.encode() not in content
        assert "(erased)" in found["report.html"].decode()
        states = {
            one["subject"]: one["state"] for one in json.loads(found["manifest.json"])["persons"]
        }
        assert states == {"cust_2002": "erased", "x": "opened" if asked == "true" else "sealed"}
        said = await verdict(bank, content, at)
        assert said.faults == []
        assert said.remarks == ["cust_2002 reads as erased, which no event here says"]
        kept = {name for name in whole if name.startswith(("application/", "registry/"))}
        assert all(found[name] == whole[name] for name in kept)
    values = json.loads(found["personal.json"])["values"]
    assert {
        "position": values[0]["position"],
        "pointer": "/income",
        "subject": "cust_2002",
        "erased": True,
    } in values


async def test_a_person_who_is_erased_on_record_reads_so_at_once_and_when_the_key_is_gone(
    bank: Bank, at: Path
) -> None:
    """From the event on, though the key is there until every read model has passed it."""
    path = await bank.api.applied(applicant_id="cust_gone", purpose=PURPOSE)
    application = UUID(path.rpartition("/")[2])
    erased = SubjectErased(subject="cust_gone", reason="article 17", applications=(application,))
    data = canonical_json(Codec().encode(erased, NoKeyring(), ""))
    event = EncodedEvent(erased.stored_as, erased.schema_version, data)
    await bank.api.ledger.lanes[0].submit(submission(application, 1, [event]))
    await bank.sealed.seal()
    for destroy in (False, True):
        if destroy:
            bank.sealed.tamper(
                "update vault.subject_keys set wrapped_key = null, destroyed_at = now()"
                f" where application_id = '{application}'"
            )
        for asked in ("false", "true"):
            content = await bank.evidence(path, personal=asked)
            assert PURPOSE.encode() not in content
            assert "(erased)" in unpacked(content)["report.html"].decode()
            said = await verdict(bank, content, at)
            assert (said.faults, said.remarks) == ([], [])


async def test_that_an_auditor_was_given_it_is_on_record(bank: Bank) -> None:
    auditor = await actor(bank.api, somebody("auditor-7", "auditor"))
    assert (await auditor.get(f"{bank.application}/evidence")).status_code == 200
    query = (
        "select what, application_ids from ledger.personal_data_reads where principal = 'auditor-7'"
    )
    ((what, applications),) = bank.api.rows(query)
    assert what == "evidence"
    assert [str(one) for one in applications] == [bank.application.rpartition("/")[2]]


async def test_that_personal_data_were_given_is_on_record_whoever_took_them(
    bank: Bank, tmp_path: Path
) -> None:
    application = bank.application.rpartition("/")[2]
    reads = "select principal, what from ledger.personal_data_reads order by read_id"
    bank.sealed.tamper("truncate ledger.personal_data_reads")
    for role in ("underwriter", "auditor"):
        who = await actor(bank.api, somebody(f"taking-{role}", role))
        for asked in ("false", "true"):
            answer = await who.get(f"{bank.application}/evidence?personal={asked}")
            assert answer.status_code == 200
    assert await bank.evidence(personal="true")
    for arguments in ([], ["--personal"]):
        done = lending(bank, "evidence", application, "-o", "-", *arguments, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert bank.api.rows(reads) == [
        ("taking-underwriter", "personal_evidence"),
        ("taking-auditor", "evidence"),
        ("taking-auditor", "personal_evidence"),
        ("local", "personal_evidence"),
        ("tester", "personal_evidence"),
    ]
    done = lending(bank, "subjects", "reads", "--subject", "cust_2003", cwd=tmp_path)
    assert "  tester  personal_evidence  1 application(s)  cust_2003" in done.stdout.decode()


TAMPERINGS = {
    "data": 'data = data || \'{"amount": "99"}\'',
    "actor": "actor = 'somebody'",
    "type": "event_type = 'withdrawn'",
    "nonsense": 'data = \'{"who": "knows"}\'',
    "sealed": "data = jsonb_set(data, '{income,sealed}', '\"AAAA\"')",
}


@pytest.mark.parametrize("change", TAMPERINGS.values(), ids=TAMPERINGS)
async def test_a_log_that_was_tampered_with_gives_evidence_of_it(
    bank: Bank, at: Path, change: str
) -> None:
    path = await bank.api.applied()
    await bank.sealed.seal()
    application = path.rpartition("/")[2]
    bank.sealed.tamper(
        f"update ledger.loan_events set {change} where application_id = '{application}'"
    )
    content = await bank.evidence(path)
    said = await verdict(bank, content, at)
    assert any("is not in the log as it is here" in fault for fault in said.faults), said.faults


async def test_after_rotation_either_key_accepts_and_a_revoked_one_does_not(
    database_url: str, tmp_path: Path, at: Path
) -> None:
    async with opened_bank(database_url, tmp_path) as bank:
        old = await bank.vkey()
        new = await bank.sealed.office.rotate(0, overlap=timedelta(hours=1))
        await bank.sealed.seal()
        content = await bank.evidence()
        for vkey in (old, new.vkey):
            said = checked(at, content, vkey)
            assert (said.faults, said.remarks) == ([], [])
        keys = json.loads(unpacked(content)["manifest.json"])["keys"]
        assert [one["signs_until"] is None for one in keys] == [False, True]
        seeds = await bank.seeds()
        await bank.sealed.office.revoke(0, new.key_id, reason="it was seen elsewhere")
        await bank.sealed.seal()
        content = await bank.evidence()
        assert checked(at, content, old).faults == []
        assert "not signed by a key you gave" in checked(at, content, new.vkey).faults[0]
        found = unpacked(content)
        note = found["checkpoint"]
        forged = sign_checkpoint(read_checkpoint(note.decode()), seeds[1:]).encode()
        signed = {name: one.replace(note, forged) for name, one in found.items()}
        (fault,) = checked(at, packed(consistent(signed)), new.vkey).faults
        assert "its key was revoked at position" in fault


async def test_a_key_that_was_given_accepts_what_a_later_epoch_signs_with_it(
    database_url: str, tmp_path: Path, at: Path
) -> None:
    async with opened_bank(database_url, tmp_path) as bank:
        old = await bank.vkey()
        await open_epoch(database_url, reason="drill", operator="tester", new_id=new_id, force=True)
        await bank.sealed.seal()
        said = checked(at, await bank.evidence(), old)
        assert said.faults == []
        assert "the log went on under another epoch" in said.remarks[0]


def lending(bank: Bank, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[bytes]:
    environment: dict[str, Any] = {
        "DATABASE_URL": bank.api.database_url, "LENDING_DATA_DIR": str(bank.api.settings.data_dir),
        "PATH": "/usr/bin:/bin", "HOME": str(cwd), "LOGNAME": "tester",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "lending", *arguments], env=environment, cwd=cwd, capture_output=True, timeout=60,
        check=False,
    )  # fmt: skip


async def test_the_command_writes_the_same_file_and_hands_out_the_verifier(
    bank: Bank, tmp_path: Path
) -> None:
    application = bank.application.rpartition("/")[2]
    served = await bank.evidence()
    size = json.loads(unpacked(served)["manifest.json"])["size"]
    done = lending(bank, "evidence", application, "--size", str(size), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    written = tmp_path / done.stdout.decode().strip()
    assert written.read_bytes() == served
    written.write_bytes(b"mine")
    for arguments in ([], ["--output", str(written)]):
        done = lending(bank, "evidence", application, "--size", str(size), *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert b"is there already; evidence never overwrites a file" in done.stderr
    assert written.read_bytes() == b"mine"
    done = lending(
        bank, "evidence", application, "-o", "-", "--personal", "--size", str(size), cwd=tmp_path
    )
    assert done.stdout == await bank.evidence(size=size, personal="true")
    done = lending(bank, "evidence", "--verifier", cwd=tmp_path)
    assert done.stdout == Path(program.__file__).read_bytes()
