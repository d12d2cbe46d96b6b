"""The page at /docs and its assets, served from this package: it works without internet. And the
contract for models, /llms.txt.
"""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Final

from starlette.responses import Response

from lending.api.answers import Answer
from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem
from lending.contract.llms import llms_text

_TYPES: Final[Mapping[str, bytes]] = MappingProxyType(
    {
        "index.html": b"text/html; charset=utf-8",
        "page.js": b"text/javascript; charset=utf-8",
        "swagger-ui-bundle.js": b"text/javascript; charset=utf-8",
        "swagger-ui.css": b"text/css; charset=utf-8",
        "favicon-32x32.png": b"image/png",
    }
)
_POLICY: Final = (
    b"content-security-policy",
    b"default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline';"
    b" img-src 'self' data:; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
)


async def page(_: Incoming) -> Response:
    """The documentation of the API."""
    return _asset("index.html")


async def asset(request: Incoming) -> Response:
    """A file that the page needs."""
    name = request.in_path["asset"]
    if name not in _TYPES:
        raise Problem(Fault.NOT_FOUND)
    return _asset(name)


async def home(_: Incoming) -> Response:
    """The root leads to the documentation."""
    return Answer(b"", 307, [(b"location", b"/docs")], b"text/plain")


async def for_models(_: Incoming) -> Response:
    """The contract in three pages, for models."""
    return Answer(llms_text().encode(), media_type=b"text/plain; charset=utf-8")


def _asset(name: str) -> Answer:
    body = (files("lending.api") / "docs_page" / name).read_bytes()
    return Answer(body, 200, [_POLICY], _TYPES[name])
