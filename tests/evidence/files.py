"""Files of evidence taken apart and put together again, as a forger does it, and what is said of them."""

import json
import zipfile
from collections.abc import Mapping
from contextlib import suppress
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
    """The files with a report and a manifest that fit them: what a careful forger hands out."""
    manifest = json.loads(files["manifest.json"])
    # Of what cannot be told a forger keeps the report.
    with suppress(Exception):
        files = {**files, "report.html": program.report(manifest, files)}
    return listed({**files, "manifest.json": json.dumps(manifest).encode()})


def listed(files: Files) -> Files:
    """The files with a manifest that names each of them as it is."""
    manifest = json.loads(files["manifest.json"])
    rest = {name: content for name, content in files.items() if name != "manifest.json"}
    manifest["files"] = {name: sha256(content).hexdigest() for name, content in rest.items()}
    return {**rest, "manifest.json": json.dumps(manifest).encode()}


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
