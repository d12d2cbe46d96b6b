"""Files of evidence taken apart and put together again, as a forger does it, and what is said of them."""

import json
import re
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from io import BytesIO
from pathlib import Path

from lending import verify_evidence as program

Files = dict[str, bytes]
"""What is in a file of evidence, by name."""


def unpacked(content: bytes) -> Files:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(files: Mapping[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    written = BytesIO()
    with zipfile.ZipFile(written, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return written.getvalue()


def consistent(files: Files) -> Files:
    """The files with a manifest and a report that fit them: what a careful forger hands out."""
    record = {n: sha256(c).hexdigest() for n, c in files.items() if n not in program.OF_THE_BUNDLE}
    digest = sha256(program.canonical(record)).hexdigest().encode()
    page = re.sub(
        rb'(name="lending-evidence" content=")[0-9a-f]{64}',
        rb"\g<1>" + digest,
        files["report.html"],
    )
    files = {**files, "report.html": page}
    manifest = json.loads(files.pop("manifest.json"))
    manifest["files"] = {name: sha256(content).hexdigest() for name, content in files.items()}
    return {**files, "manifest.json": json.dumps(manifest).encode()}


def checked(
    at: Path, content: bytes, vkey: str | None = None, *outside: program.Checkpoint
) -> program.Verdict:
    at.write_bytes(content)
    keys = [] if vkey is None else [program.parse_vkey(vkey)]
    return program.check(at, program.Known(keys, list(outside)))


def named(files: Files, event_type: str, end: str = "entry.json") -> str:
    """The file of the first event of this type."""
    wanted = f'"event_type":"{event_type}"'.encode()
    found = next(n for n, c in sorted(files.items()) if n.endswith(".entry.json") and wanted in c)
    return found.removesuffix("entry.json") + end
