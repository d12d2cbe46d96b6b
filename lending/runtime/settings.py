"""The settings: one class, read from the environment by the program that starts, then passed on.

What belongs here: what differs from one installation to the next. Limits are in limits.py. The
table in docs/reference/settings.md is checked against this class.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
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

from lending.runtime.errors import OperatorError


class InvalidSettings(OperatorError):
    """A setting of the environment cannot be used; the text names it, not its value."""


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
        description="The address to serve on; only a loopback one is accepted.",
    )
    port: int = Field(default=8000, ge=0, le=65535, description="The port; 0 takes a free one.")
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
    migrate_on_start: bool = Field(
        default=True, description="Whether `serve` and `worker` migrate the database first."
    )
    worker: bool = Field(
        default=True, description="Whether `serve` runs the projection worker beside it."
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

    @property
    def master_key_path(self) -> Path:
        """The file of the master key: the one given, else `master.key` in the data directory."""
        return self.master_key_file or self.data_dir / "master.key"


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
