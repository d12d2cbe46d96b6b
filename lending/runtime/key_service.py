"""A service that keeps the key of the master key: a KMS, a hardware module, a password store.

What belongs here: the interface, and reaching such a service by a program. The master key itself
then stands wrapped in its file, and in clear only in the memory of a process.
"""

import shlex
import subprocess
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from typing import Final, Protocol

from lending.runtime.errors import OperatorError

KEY_COMMAND_SECONDS: Final = 10
"""How long the program may take."""

WRAPPED_MAX_BYTES: Final = 16 * 1024
"""What a wrapped master key may come to."""


class KeyServiceFailed(OperatorError):
    """The program that wraps and unwraps the master key does not do so."""


class KeyService(Protocol):
    """Wraps and unwraps a key with one that never leaves the service."""

    def wrap(self, key: bytes) -> bytes:
        """`key` encrypted for storage. Raises KeyServiceFailed."""
        ...

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key that `wrap` encrypted. Raises KeyServiceFailed."""
        ...


class KeyCommand:
    """A service that is reached by a program: it is run with `wrap` or `unwrap` as its last
    argument, gets base64 on stdin and answers base64 on stdout. No shell is involved.
    """

    def __init__(self, command: str, timeout_seconds: float = KEY_COMMAND_SECONDS) -> None:
        self._command = shlex.split(command)
        self._timeout_seconds = timeout_seconds

    def wrap(self, key: bytes) -> bytes:
        """`key` as the program wraps it. Raises KeyServiceFailed."""
        return self._asked("wrap", key)

    def unwrap(self, wrapped: bytes) -> bytes:
        """The key as the program unwraps it. Raises KeyServiceFailed."""
        return self._asked("unwrap", wrapped)

    def _asked(self, what: str, given: bytes) -> bytes:
        try:
            ran = subprocess.run(
                [*self._command, what],
                input=b64encode(given) + b"\n",
                stdout=subprocess.PIPE,
                timeout=self._timeout_seconds,
                check=True,
            )
        except subprocess.TimeoutExpired:
            raise self._failed(what, f"takes longer than {self._timeout_seconds:g} s") from None
        except subprocess.CalledProcessError as fault:
            raise self._failed(what, f"ends with {fault.returncode}") from None
        except (OSError, IndexError) as fault:
            raise self._failed(what, f"cannot be run: {fault}") from None
        return self._answer(what, ran.stdout)

    def _answer(self, what: str, told: bytes) -> bytes:
        """What the program said; never repeated in an error, for it may be a key."""
        try:
            answer = b64decode(told.strip(), validate=True)
        except NotBase64:
            answer = b""
        if not 0 < len(answer) <= WRAPPED_MAX_BYTES:
            raise self._failed(what, f"answers no base64 of up to {WRAPPED_MAX_BYTES} bytes")
        return answer

    def _failed(self, what: str, why: str) -> KeyServiceFailed:
        program = self._command[0] if self._command else ""
        return KeyServiceFailed(f"LENDING_MASTER_KEY_COMMAND: {program!r} {what} {why}")
