"""The steps of the Dockerfile and of compose.yaml work, tried out without a container engine."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

import tests
from lending.runtime.settings import Settings
from tests.databases import Databases

ROOT = Path(tests.__file__).parents[1]
STEP = re.compile(r"^(?P<word>[A-Z]+)\s+(?P<rest>.+)$", re.MULTILINE)


def stages() -> list[list[tuple[str, str]]]:
    """The steps of each stage of the Dockerfile."""
    found: list[list[tuple[str, str]]] = []
    for step in STEP.finditer((ROOT / "Dockerfile").read_text()):
        if step["word"] == "FROM":
            found.append([])
        found[-1].append((step["word"], step["rest"]))
    return found


def step(word: str) -> str:
    """The one step of the last stage that begins with this word."""
    (rest,) = [rest for found, rest in stages()[-1] if found == word]
    return rest


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The virtual environment that the build stage makes, from the files the image would get."""
    build = tmp_path_factory.mktemp("build")
    venv = tmp_path_factory.mktemp("opt") / "lending"
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    for word, rest in stages()[0]:
        if word == "COPY":
            *sources, target = rest.split()
            for source in sources:
                there = build / target / (source if target.endswith("/") else "")
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, there)
        elif word == "RUN":
            command = shlex.split(rest.replace("/opt/lending", str(venv)))
            if command[0] == "python":
                command[0] = sys.executable
            done = subprocess.run(
                command, cwd=build, env=environment, check=False, capture_output=True, text=True
            )
            assert done.returncode == 0, done.stderr
        else:
            assert word in ("FROM", "WORKDIR")
    return venv


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_image_serves_is_healthy_and_stops_when_told(
    image: Path, postgres_server: Databases, tmp_path: Path
) -> None:
    port = free_port()
    steps = dict(re.split(r"=", rest, maxsplit=1) for word, rest in stages()[-1] if word == "ENV")
    health = json.loads(step("HEALTHCHECK").partition("CMD ")[2].replace(":8000/", f":{port}/"))
    with postgres_server.temporary("image") as url:
        environment = {
            **steps,
            "PATH": steps["PATH"].replace("/opt/lending", str(image)).replace("$PATH", os.defpath),
            "DATABASE_URL": url,
            "LENDING_DATA_DIR": str(tmp_path / "data"),
            "LENDING_PORT": str(port),
        }
        program = image / "bin" / json.loads(step("CMD"))[0]
        service = subprocess.Popen(
            [program, *json.loads(step("CMD"))[1:]], cwd=tmp_path, env=environment
        )
        try:
            check = [image / "bin" / health[0], *health[1:]]
            deadline = time.monotonic() + 60
            while subprocess.run(check, check=False, capture_output=True).returncode != 0:
                assert service.poll() is None, "it ended"
                assert time.monotonic() < deadline, "it did not become healthy"
                time.sleep(0.2)
        finally:
            service.send_signal(signal.SIGTERM)
            assert service.wait(60) == 0


def test_the_image_gets_nothing_but_what_it_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().split()
    assert ignored[0] == "*"
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = {
        source for word, rest in stages()[0] if word == "COPY" for source in rest.split()[:-1]
    }
    assert copied == allowed


def test_the_image_does_not_run_as_root() -> None:
    user = step("USER")
    assert user not in ("root", "0")
    assert f" {user}" in step("RUN")


def test_compose_uses_commands_and_settings_that_exist() -> None:
    text = (ROOT / "compose.yaml").read_text()
    commands = [json.loads(line) for line in re.findall(r"command: (\[.+\])", text)]
    assert [command[1] for command in commands] == ["serve", "worker"]
    for command in commands:
        help_text = subprocess.run(
            [sys.executable, "-m", "lending", command[1], "--help"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        assert [option for option in command[2:] if option not in help_text] == []
    known = {f"LENDING_{name.upper()}" for name in Settings.model_fields} | {"DATABASE_URL"}
    names = set(re.findall(r"\b(LENDING_\w+|DATABASE_URL)\b", text))
    assert names <= known
    image_settings = {rest.partition("=")[0] for word, rest in stages()[-1] if word == "ENV"}
    assert image_settings - {"PATH"} <= known


def test_compose_shows_nothing_to_the_outside() -> None:
    text = (ROOT / "compose.yaml").read_text()
    published = re.findall(r'"([\d.]*:?\d+:\d+)"', text)
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)
