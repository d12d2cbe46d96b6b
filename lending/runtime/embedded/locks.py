"""Locks between processes, on files and directories: the kernel drops them when their holder dies.

What belongs here: flock(2) with a deadline. A lock belongs to the open file, so a process started
with that file inherits it and holds it on.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_POLL_SECONDS = 0.02


class LockTimeout(Exception):
    """Somebody else held the lock all the time."""


def open_lock(path: Path) -> int:
    """Open a file or directory to lock it; the descriptor is the caller's to close."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def try_lock(descriptor: int, *, shared: bool = False) -> bool:
    """Take the lock if nobody holds it (or, when `shared`, nobody holds it alone)."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock at this moment; nobody does where there is no such path."""
    try:
        descriptor = open_lock(path)
    except FileNotFoundError:
        return False
    try:
        return not try_lock(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def locked(path: Path, timeout_seconds: float) -> Iterator[None]:
    """Hold the lock inside the block. Raises LockTimeout."""
    deadline = time.monotonic() + timeout_seconds
    descriptor = open_lock(path)
    try:
        while not try_lock(descriptor):
            if time.monotonic() > deadline:
                raise LockTimeout(f"{path} is held by another process")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
