"""Databases for tests: a server's URL, and databases made from a template and dropped again.

What belongs here: what conftest.py makes its fixtures from.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

SEARCH_PATH = sql.SQL('"$user", public, read, ledger')

# Durability costs time and proves nothing where no server is killed.
FAST_SERVER = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_wal_size": "4GB",
}


@dataclass(frozen=True, slots=True)
class Databases:
    """Makes and drops databases on one server, as the user of its URL."""

    server_url: str

    def url(self, name: str) -> str:
        """The URL of one of the server's databases."""
        return urlunsplit(urlsplit(self.server_url)._replace(path=f"/{name}"))

    def create(self, prefix: str, template: str | None = None) -> str:
        """Make a database, a copy of `template` if given; its name."""
        name = f"{prefix}_{uuid.uuid4().hex[:12]}"
        with self._admin() as connection:
            if template is None:
                connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
                return name
            names = sql.Identifier(name), sql.Identifier(template)
            connection.execute(sql.SQL("create database {} template {}").format(*names))
            # A copy does not take the settings of its template with it.
            connection.execute(
                sql.SQL("alter database {} set search_path = {}").format(names[0], SEARCH_PATH)
            )
        return name

    def drop(self, name: str) -> None:
        """Drop a database, whoever is still connected to it."""
        with self._admin() as connection:
            connection.execute(
                sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name))
            )

    @contextmanager
    def temporary(self, prefix: str, template: str | None = None) -> Iterator[str]:
        """A database for the length of a block; its URL."""
        name = self.create(prefix, template)
        try:
            yield self.url(name)
        finally:
            self.drop(name)

    def _admin(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(self.url("postgres"), autocommit=True)
