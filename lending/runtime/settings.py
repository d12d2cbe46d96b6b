"""The settings: one class, read from the environment by the program that starts, then passed on.

What belongs here: what differs from one installation to the next. Limits are in limits.py. The
table in docs/reference/settings.md is checked against this class.
"""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from lending.runtime import limits
from lending.runtime.errors import OperatorError


class InvalidSettings(OperatorError):
    """A setting of the environment cannot be used; the text names it, not its value."""


_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")


class LogFormat(StrEnum):
    """How log lines are written."""

    JSON = "json"
    CONSOLE = "console"


class LogLevel(StrEnum):
    """The least severe log lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Authentication(StrEnum):
    """Whether who asks has to prove who it is."""

    OFF = "off"
    REQUIRED = "required"


_ALGORITHMS: Final = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
)  # fmt: skip


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _asymmetric(text: str) -> str:
    words = _words(text)
    if not words or not set(words) <= set(_ALGORITHMS):
        # With a shared secret whoever can check a token can make one, and `none` proves nothing.
        raise ValueError(f"must be some of {', '.join(_ALGORITHMS)}, separated by commas")
    return text


def _key_set(where: str) -> str:
    if "://" not in where:
        return where
    parts = urlsplit(where)
    loopback = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if not parts.hostname or (
        parts.scheme != "https" and not (loopback and parts.scheme == "http")
    ):
        raise ValueError("must be the path of a file, or a URL that begins with https://")
    return where


def _posted_to(url: str) -> str:
    parts = urlsplit(url)
    if "://" not in url or _key_set(url) != url or not parts.hostname:
        raise ValueError("must be a URL that begins with https://")
    return url


def _host_names(text: str) -> str:
    if not all(_HOST.fullmatch(word) for word in _words(text)):
        raise ValueError("must be names of hosts without ports, separated by commas")
    return text


def _sendable(key: SecretStr) -> SecretStr:
    text = key.get_secret_value()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be printable ASCII characters without spaces")
    return key


def _known_time_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError("not a time zone of the IANA database, such as Europe/Amsterdam") from None
    return name


def _postgres_url(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        raise ValueError("must begin with postgresql://")
    return url


class Settings(BaseSettings):
    """What the environment says; every field has the name LENDING_<FIELD>, but DATABASE_URL."""

    model_config = SettingsConfigDict(
        env_prefix="LENDING_",
        env_ignore_empty=True,
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,
    )

    database_url: Annotated[str, AfterValidator(_postgres_url)] | None = Field(
        default=None,
        validation_alias=AliasChoices("DATABASE_URL", "database_url"),
        description="The PostgreSQL to use, 15 or newer; without it the ledger runs its own.",
        repr=False,
    )
    data_dir: Path = Field(
        default=Path(".lending"),
        description="Where the embedded PostgreSQL and the master key are kept.",
    )
    postgres_user: str | None = Field(
        default=None,
        description="The account the embedded PostgreSQL runs as when root starts the ledger.",
    )
    host: str = Field(
        default="127.0.0.1",
        description="The address to serve on; without authentication only a loopback one.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="The port; 0 takes a free one.")
    authentication: Authentication = Field(
        default=Authentication.OFF,
        description="`required`: every request has a key or a token; `off`: whoever reaches it may.",
    )
    allowed_hosts: Annotated[str, AfterValidator(_host_names)] | None = Field(
        default=None,
        description="Host names it answers for beside its address, separated by commas.",
    )
    jwt_issuer: str | None = Field(
        default=None,
        max_length=limits.TOKEN_ISSUER_MAX_CHARACTERS,
        description="Whose tokens are trusted: their claim `iss`.",
    )
    jwt_audience: str | None = Field(
        default=None, description="For whom tokens must be: their claim `aud`."
    )
    jwt_algorithms: Annotated[str, AfterValidator(_asymmetric)] = Field(
        default="RS256,ES256,EdDSA",
        description="How tokens may be signed; asymmetric algorithms only.",
    )
    jwt_keys: Annotated[str, AfterValidator(_key_set)] | None = Field(
        default=None,
        description="The issuer's JWK Set: the path of a file, or a URL.",
    )
    timezone: Annotated[str, AfterValidator(_known_time_zone)] = Field(
        default="UTC",
        description="The time zone in which the ledger's days begin; fixed when it is created.",
    )
    master_key: SecretStr | None = Field(
        default=None,
        description="The key that wraps all others: 32 bytes in base64. Instead of a file.",
    )
    master_key_file: Path | None = Field(
        default=None,
        description="The file that holds the master key; made with a new ledger, never later.",
    )
    master_key_previous: SecretStr | None = Field(
        default=None,
        description="The master key before, while what it has wrapped is wrapped anew.",
    )
    master_key_previous_file: Path | None = Field(
        default=None, description="The file that holds the master key before."
    )
    master_key_command: str | None = Field(
        default=None,
        description="The program that unwraps what the files of master keys hold, and wraps a new one.",
    )
    migrate_on_start: bool = Field(
        default=True, description="Whether `serve` and `worker` migrate the database first."
    )
    worker: bool = Field(
        default=True, description="Whether `serve` runs the projection worker beside it."
    )
    mcp: bool = Field(
        default=True, description="Whether `serve` offers the tools for models under `/mcp`."
    )
    api_key: Annotated[SecretStr, AfterValidator(_sendable)] | None = Field(
        default=None, description="The API key that `lending mcp`, `demo` and `import` ask with."
    )
    log_format: LogFormat = Field(
        default=LogFormat.CONSOLE, description="`console` for people or `json` for machines."
    )
    log_level: LogLevel = Field(
        default=LogLevel.INFO, description="`debug`, `info`, `warning` or `error`."
    )
    pool_min_connections: int = Field(
        default=2, ge=1, le=100, description="Connections the service keeps open for reading."
    )
    pool_max_connections: int = Field(
        default=10, ge=1, le=100, description="Connections the service opens at most for reading."
    )
    webhooks: bool = Field(
        default=True, description="Whether `serve` sends webhooks, besides keeping them."
    )
    webhooks_private_addresses: bool = Field(
        default=False,
        description="Whether webhooks may lead to private addresses, and be plain http.",
    )
    checkpoints_path: Path | None = Field(
        default=None,
        description="Where the worker publishes checkpoints of the log: a directory that is there, or a file.",
    )
    checkpoints_url: Annotated[str, AfterValidator(_posted_to)] | None = Field(
        default=None, description="The URL that the worker posts checkpoints of the log to."
    )

    retention_months: int = Field(
        default=25,
        ge=0,
        le=1_200,
        description="How many months personal data are kept at least after an application or loan ended.",
    )
    retention_business_months: int = Field(
        default=12, ge=0, le=1_200, description="The same of business credit."
    )

    registered_models: bool = Field(
        default=False,
        description="Whether only scores of registered, valid models are taken.",
    )
    rate_limit_per_second: int = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="Requests a second that one principal may send in the long run; a bulk counts as its commands.",
    )
    rate_limit_burst: int = Field(
        default=20_000,
        ge=1,
        le=10_000_000,
        description="Requests that one principal may send at once after it was quiet.",
    )

    @model_validator(mode="after")
    def _pool_bounds_agree(self) -> Self:
        if self.pool_min_connections > self.pool_max_connections:
            raise ValueError("pool_min_connections is more than pool_max_connections")
        return self

    @model_validator(mode="after")
    def _tokens_are_set_up_whole(self) -> Self:
        given = [self.jwt_issuer, self.jwt_audience, self.jwt_keys]
        if any(given) and not all(given):
            raise ValueError("jwt_issuer, jwt_audience and jwt_keys go together")
        return self

    @property
    def local_url(self) -> str:
        """Where a command of ours finds the service, unless it is told where."""
        return url_at(self.host, self.port)

    @property
    def credential(self) -> str | None:
        """What a command of ours that asks a ledger proves itself with, if it is given anything."""
        return None if self.api_key is None else self.api_key.get_secret_value()

    @property
    def trusts_tokens(self) -> bool:
        """Whether there is an issuer whose tokens are trusted."""
        return self.jwt_keys is not None

    @property
    def token_algorithms(self) -> frozenset[str]:
        """How tokens may be signed."""
        return frozenset(_words(self.jwt_algorithms))

    @property
    def host_names(self) -> list[str]:
        """The hosts it answers for beside its address."""
        return _words(self.allowed_hosts or "")

    @property
    def master_key_path(self) -> Path:
        """The file of the master key: the one given, else `master.key` in the data directory."""
        return self.master_key_file or self.data_dir / "master.key"


def url_at(host: str, port: int) -> str:
    """The URL of an address, whose host may be IPv6, in brackets or not."""
    host = host.strip("[]")
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def load_settings(**given: object) -> Settings:
    """Read the settings from the environment; what is `given` and not None goes before it.

    Raises InvalidSettings with one sentence naming the variables and what is wrong with each.
    """
    try:
        return Settings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
    except ValidationError as fault:
        raise InvalidSettings(_sentence(fault)) from None


def _sentence(fault: ValidationError) -> str:
    parts = []
    for error in fault.errors(include_url=False, include_input=False):
        name = str(error["loc"][0]) if error["loc"] else "settings"
        variable = name if name == "DATABASE_URL" else f"LENDING_{name.upper()}"
        parts.append(f"{variable}: {error['msg'].removeprefix('Value error, ')}")
    return "; ".join(parts)
