"""From a path to an endpoint, in one look-up for each of its segments.

The routes themselves are FastAPI's: it makes the OpenAPI document of them. Its own dispatch tries
one regular expression after the other and wraps each endpoint in five layers, which would cost
more than handling a command does.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

from fastapi.routing import APIRoute
from starlette.responses import Response

from lending.api.incoming import Incoming
from lending.api.problems import Fault, Problem

Endpoint = Callable[[Incoming], Awaitable[Response]]

_SEGMENTS_MAX: Final = 16
_REST: Final = ":path}"
"""How a parameter ends that takes all segments that are left; nothing stands behind it."""


class Found(NamedTuple):
    """The endpoint of a path and method, the route's own path, and the values in its place."""

    endpoint: Endpoint
    route: str
    in_path: Mapping[str, str]


@dataclass(slots=True)
class _Node:
    literals: dict[str, "_Node"] = field(default_factory=dict)
    parameter: "_Node | None" = None
    rest: "_Node | None" = None
    route: str = ""
    names: tuple[str, ...] = ()
    endpoints: dict[str, Endpoint] = field(default_factory=dict)


class RouteIndex:
    """The routes by path."""

    def __init__(self, routes: Iterable[Any]) -> None:
        self._root = _Node()
        for route in routes:
            if isinstance(route, APIRoute):
                self._add(route)

    def _add(self, route: APIRoute) -> None:
        node = self._root
        names = []
        for segment in route.path.split("/")[1:]:
            if segment.endswith(_REST):
                names.append(segment[1 : -len(_REST)])
                node.rest = node.rest or _Node()
                node = node.rest
            elif segment.startswith("{"):
                names.append(segment[1:-1])
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.literals.setdefault(segment, _Node())
        node.route, node.names = route.path, tuple(names)
        for method in route.methods or ():
            node.endpoints[method] = cast(Endpoint, route.endpoint)

    def methods(self, path: str) -> list[str]:
        """The methods of a path, none where there is nothing."""
        found = self._node(path)
        return [] if found is None else _allowed(found[0])

    def find(self, method: str, path: str) -> Found:
        """The endpoint for `method` on `path`. Raises Problem where there is none."""
        found = self._node(path)
        if found is None:
            raise Problem(Fault.NOT_FOUND)
        node, values = found
        endpoint = node.endpoints.get("GET" if method == "HEAD" else method)
        if endpoint is None:
            allow = ", ".join(_allowed(node))
            raise Problem(
                Fault.METHOD_NOT_ALLOWED,
                f"the methods of this path are {allow}",
                headers=[(b"allow", allow.encode())],
            )
        return Found(endpoint, node.route, dict(zip(node.names, values, strict=True)))

    def _node(self, path: str) -> tuple[_Node, list[str]] | None:
        node = self._root
        values = []
        segments = path.split("/", _SEGMENTS_MAX)[1:]
        for place, segment in enumerate(segments):
            literal = node.literals.get(segment)
            if literal is not None:
                node = literal
            elif node.parameter is not None and segment:
                node = node.parameter
                values.append(segment)
            elif node.rest is not None:
                return node.rest, [*values, "/".join(segments[place:])]
            else:
                return None
        return (node, values) if node.endpoints else None


def _allowed(node: _Node) -> list[str]:
    also_head = ["HEAD"] if "GET" in node.endpoints else []
    return [*sorted(node.endpoints), *also_head, "OPTIONS"]
