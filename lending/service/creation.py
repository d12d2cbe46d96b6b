"""Creating a ledger in a migrated database: its identity, its lane, its secrets. Done once, whoever
comes first.
"""

import secrets
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Callable
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Final
from uuid import UUID

from lending.ledger.fingerprint import SECRET_BYTES, SECRET_NAME
from lending.ledger.sealing import KEY_BYTES, MasterKey, Randomness, SealBroken
from lending.runtime.errors import OperatorError
from lending.runtime.key_service import KeyCommand, KeyService
from lending.runtime.postgres import OWNER_ROLE, Connection, connect_or_explain
from lending.runtime.settings import Settings
from lending.runtime.sql import load_queries
from lending.service.keys import PEPPER_NAME

_SQL: Final = load_queries(files("lending.service") / "creation.sql")
SHARDS: Final = 1
"""How many shards this version runs."""


class NoMasterKey(OperatorError):
    """The ledger exists, but its master key is not given and not in the file where it should be."""


class WrongMasterKey(OperatorError):
    """The master key given is not the one the ledger was created with."""


class SecretMissing(OperatorError):
    """The ledger was created by an earlier release, and `lending migrate` has not run since."""


class TimezoneFixed(OperatorError):
    """The time zone is fixed when a ledger is created; the setting names another."""


async def create_ledger(
    database_url: str,
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    new_id: Callable[[int], UUID],
    randomness: Randomness = secrets.token_bytes,
) -> None:
    """Create the ledger if the database holds none, and check the master key and the time zone if
    it does.

    Raises OperatorError of the kind that fits.
    """
    connection = await connect_or_explain(database_url, "lending create")
    async with connection, connection.transaction():
        await connection.execute(_SQL["one_at_a_time"])
        await connection.execute(f"set local role {OWNER_ROLE}")
        identity = await (await connection.execute(_SQL["identity"])).fetchone()
        master = MasterKey(
            load_master_key(settings, create=identity is None, randomness=randomness), randomness
        )
        if identity is None:
            await _create(
                connection,
                master,
                randomness,
                timezone=settings.timezone,
                now=clock(),
                ledger_id=new_id(0),
            )
            return
        if "timezone" in settings.model_fields_set and settings.timezone != identity[1]:
            raise TimezoneFixed(
                f"this ledger counts its days in {identity[1]}, which is fixed; unset LENDING_TIMEZONE"
                f" (it says {settings.timezone}), or use another database"
            )
        open_secret(master, await _wrapped(connection, SECRET_NAME))
        # A ledger that an earlier release created has no pepper yet; no key can have been issued.
        if await _wrapped(connection, PEPPER_NAME) is None:
            await _make_secret(connection, master, randomness, PEPPER_NAME, clock())


async def _create(
    connection: Connection,
    master: MasterKey,
    randomness: Randomness,
    *,
    timezone: str,
    now: datetime,
    ledger_id: UUID,
) -> None:
    for name in (SECRET_NAME, PEPPER_NAME):
        await _make_secret(connection, master, randomness, name, now)
    for shard in range(SHARDS):
        await connection.execute(_SQL["insert_lane"], {"shard": shard})
        await connection.execute(_SQL["insert_tree"], {"shard": shard})
    await connection.execute(
        _SQL["insert_identity"],
        {"ledger_id": ledger_id, "timezone": timezone, "shards": SHARDS, "now": now},
    )


async def _make_secret(
    connection: Connection, master: MasterKey, randomness: Randomness, name: str, now: datetime
) -> None:
    wrapped = master.wrap(randomness(SECRET_BYTES), name.encode())
    await connection.execute(_SQL["insert_secret"], {"name": name, "wrapped": wrapped, "now": now})


async def _wrapped(connection: Connection, name: str) -> bytes | None:
    row = await (await connection.execute(_SQL["secret"], {"name": name})).fetchone()
    return None if row is None else bytes(row[0])


async def read_secret(connection: Connection, master: MasterKey, name: str) -> bytes:
    """A secret of the ledger. Raises SecretMissing, WrongMasterKey."""
    wrapped = await _wrapped(connection, name)
    if wrapped is None:
        raise SecretMissing(f"the ledger lacks its secret {name}; run `lending migrate`")
    return open_secret(master, wrapped, name)


def open_secret(master: MasterKey, wrapped: bytes | None, name: str = SECRET_NAME) -> bytes:
    """A secret of the ledger, the one that keys its hashes unless another is named.

    Raises WrongMasterKey.
    """
    try:
        return master.unwrap(bytes(wrapped or b""), name.encode())
    except (SealBroken, ValueError):
        raise WrongMasterKey(
            "the master key is not the one this ledger was created with; personal data would not open. Give the"
            " right one in LENDING_MASTER_KEY or LENDING_MASTER_KEY_FILE"
        ) from None


def load_master_key(
    settings: Settings, *, create: bool, randomness: Randomness = secrets.token_bytes
) -> bytes:
    """The master key of the settings, and behind it the one before where there is one; with
    `create`, made and written to its file where there is none.

    Raises NoMasterKey, KeyServiceFailed, and WrongMasterKey for one that is not 32 bytes in base64.
    """
    return _current(settings, create=create, randomness=randomness) + _before(settings)


def _before(settings: Settings) -> bytes:
    if settings.master_key_previous is not None:
        return _decoded(
            settings.master_key_previous.get_secret_value(), "LENDING_MASTER_KEY_PREVIOUS"
        )
    path = settings.master_key_previous_file
    return b"" if path is None else _from_file(path, settings)


def _current(settings: Settings, *, create: bool, randomness: Randomness) -> bytes:
    if settings.master_key is not None:
        return _decoded(settings.master_key.get_secret_value(), "LENDING_MASTER_KEY")
    path = settings.master_key_path
    if path.exists():
        return _from_file(path, settings)
    if not create:
        raise NoMasterKey(
            f"this ledger exists, but its master key is not at {path}; without it personal data cannot be read."
            " Put it there, or give it in LENDING_MASTER_KEY"
        )
    return new_master_key(settings, path, randomness)


def new_master_key(
    settings: Settings, path: Path, randomness: Randomness = secrets.token_bytes
) -> bytes:
    """A new master key, written to a new file: wrapped, where there is a key service.

    Raises FileExistsError, KeyServiceFailed.
    """
    key, service = randomness(KEY_BYTES), _key_service(settings)
    stored = key if service is None else service.wrap(key)
    _write_private(path, b64encode(stored).decode() + "\n")
    return key


def _key_service(settings: Settings) -> KeyService | None:
    command = settings.master_key_command
    return None if command is None else KeyCommand(command)


def _from_file(path: Path, settings: Settings) -> bytes:
    try:
        text = path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError) as fault:
        raise NoMasterKey(f"the master key cannot be read from {path}: {fault}") from None
    service = _key_service(settings)
    if service is None:
        return _decoded(text, str(path))
    return _checked(service.unwrap(_bytes_of(text)), "what LENDING_MASTER_KEY_COMMAND unwraps")


def _decoded(text: str, where: str) -> bytes:
    return _checked(_bytes_of(text), where)


def _bytes_of(text: str) -> bytes:
    try:
        return b64decode(text.strip(), validate=True)
    except (NotBase64, ValueError):
        return b""


def _checked(key: bytes, where: str) -> bytes:
    if len(key) != KEY_BYTES:
        raise WrongMasterKey(f"{where} must hold {KEY_BYTES} bytes in base64")
    return key


def _write_private(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=False)
    path.write_text(text, encoding="ascii")
