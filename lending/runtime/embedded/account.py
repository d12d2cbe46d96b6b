"""The account PostgreSQL runs as: our own, or, since it refuses to run as root, another one.

What belongs here: choosing the account. It never changes the permissions of a directory that is
not the ledger's.
"""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lending.runtime.embedded.errors import NoAccount

_OWN_ACCOUNT = "lending-postgres"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An operating system account."""

    name: str
    uid: int
    gid: int

    @property
    def is_self(self) -> bool:
        """Whether it is the account this process runs as."""
        return self.uid == os.geteuid()

    def as_user(self) -> dict[str, Any]:
        """The arguments of subprocess that make a program run as this account."""
        return {} if self.is_self else {"user": self.uid, "group": self.gid, "extra_groups": []}


def server_account(data: Path, wanted: str | None) -> Account:
    """The account for the server whose data are, or will be, in `data`.

    Our own unless we are root. As root, in this order: the owner of the data there are, the account
    `wanted` by the settings, `postgres` where the machine has it, else `lending-postgres`, which is
    made. Raises NoAccount.
    """
    if os.geteuid() != 0:
        return Account(name=str(os.geteuid()), uid=os.geteuid(), gid=os.getegid())
    owner = data.stat().st_uid if data.exists() else 0
    if owner != 0:
        return _by_uid(owner, data)
    for name in [wanted] if wanted else ["postgres", _OWN_ACCOUNT]:
        try:
            return _checked(pwd.getpwnam(name))
        except KeyError:
            continue
    if wanted:
        raise NoAccount(f"LENDING_POSTGRES_USER names {wanted!r}, and there is no such account")
    return _made(_OWN_ACCOUNT)


def _by_uid(uid: int, data: Path) -> Account:
    try:
        return _checked(pwd.getpwuid(uid))
    except KeyError:
        raise NoAccount(
            f"{data} belongs to uid {uid}, which has no account here: give the files to one"
            " (chown -R), or start the ledger as that uid"
        ) from None


def _checked(entry: pwd.struct_passwd) -> Account:
    if entry.pw_uid == 0:
        raise NoAccount(f"PostgreSQL refuses to run as root, and {entry.pw_name!r} is root")
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid)


def _made(name: str) -> Account:
    program = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin")
    if program is not None:
        command = [program, "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", name]
        made = subprocess.run(command, check=False, capture_output=True)
        try:
            return _checked(pwd.getpwnam(name))
        except KeyError:
            reason = made.stderr.decode(errors="replace").strip()
    else:
        reason = "useradd is missing"
    raise NoAccount(
        "PostgreSQL refuses to run as root, and an account for it could not be made"
        f" ({reason}): start the ledger as an ordinary user, or set LENDING_POSTGRES_USER"
    )
