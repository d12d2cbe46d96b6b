"""What can be read as a resource: the contract, the schema of each command, an application's timeline."""

import json
from typing import Final
from uuid import UUID

import mcp_types as types

from lending.agents.caller import Caller
from lending.agents.issuing import Issuing
from lending.agents.reading import Reading
from lending.contract.llms import llms_text
from lending.contract.schema_types import to_uuid

CONTRACT: Final = "loan://contract"
TIMELINE: Final = "loan://applications/{application_id}/timeline"
COMMAND: Final = "loan://commands/{command}"

_APPLICATION: Final = "loan://applications/"
_COMMAND: Final = "loan://commands/"


class UnknownResource(Exception):
    """There is no resource of this address."""


class Resources:
    """Lists the resources and reads them."""

    def __init__(self, issuing: Issuing, reading: Reading) -> None:
        self._issuing = issuing
        self._reading = reading

    def fixed(self) -> list[types.Resource]:
        """The resources that are always there."""
        return [
            types.Resource(
                uri=CONTRACT,
                name="contract",
                title="The contract of the ledger",
                description="Everything about the HTTP interface and its rules, in three pages.",
                mime_type="text/plain",
            )
        ]

    def templates(self) -> list[types.ResourceTemplate]:
        """The resources that there are many of."""
        return [
            types.ResourceTemplate(
                uri_template=TIMELINE,
                name="timeline",
                title="Timeline of an application",
                description="Where it stands and what happened, in words; the same as explain.",
                mime_type="text/plain",
            ),
            types.ResourceTemplate(
                uri_template=COMMAND,
                name="command",
                title="Schema of a command",
                description="What `fields` of other_command may hold, as a JSON schema.",
                mime_type="application/schema+json",
            ),
        ]

    async def read(self, uri: str, caller: Caller) -> types.TextResourceContents:
        """One resource. Raises UnknownResource, ToolProblem and what reading raises."""
        if uri == CONTRACT:
            return _text(uri, llms_text())
        if uri.startswith(_COMMAND):
            schema = self._issuing.schema_of(uri.removeprefix(_COMMAND))
            if schema is not None:
                return _text(uri, json.dumps(schema), "application/schema+json")
        if uri.startswith(_APPLICATION) and uri.endswith("/timeline"):
            application_id = _id(uri.removeprefix(_APPLICATION).removesuffix("/timeline"))
            return _text(uri, await self._reading.told(application_id, caller))
        raise UnknownResource


def _id(text: str) -> UUID:
    try:
        return to_uuid(text)
    except ValueError:
        raise UnknownResource from None


def _text(uri: str, text: str, mime_type: str = "text/plain") -> types.TextResourceContents:
    return types.TextResourceContents(uri=uri, text=text, mime_type=mime_type)
