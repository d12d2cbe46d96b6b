"""Messages before the SDK reads them: whether they are JSON as the ledger accepts it.

The SDK's parsers take repeated names, NaN and U+0000; a ledger must not, on any way in.
"""

import mcp_types as types
from pydantic import ValidationError

from lending.contract.json_body import MalformedJson, parse
from lending.runtime import limits


def refused(raw: bytes) -> types.JSONRPCError | None:
    """The error that a message is answered with because it is none, or None where it is one."""
    try:
        parse(raw)
    except MalformedJson as fault:
        return _error(types.PARSE_ERROR, f"Parse error: {fault}")
    try:
        types.jsonrpc_message_adapter.validate_json(raw, by_name=False)
    except ValidationError:
        return _error(types.INVALID_REQUEST, "The message is no single JSON-RPC message")
    return None


def too_long() -> types.JSONRPCError:
    """The error that a message is answered with because it is longer than one may be."""
    return _error(types.INVALID_REQUEST, f"A message has at most {limits.BODY_MAX_BYTES} bytes")


def _error(code: int, message: str) -> types.JSONRPCError:
    return types.JSONRPCError(
        jsonrpc="2.0", id=None, error=types.ErrorData(code=code, message=message)
    )


def error_text(error: types.JSONRPCError) -> str:
    """The error as it is sent; its `id` is null: it answers what has none."""
    return error.model_dump_json(by_alias=True, exclude_unset=True)
