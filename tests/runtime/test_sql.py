"""SQL by name: every statement has a name, a comment, and comes out as it was written."""

from pathlib import Path

import pytest

from lending.runtime.sql import MalformedQueries, load_queries


def queries(tmp_path: Path, text: str) -> dict[str, str]:
    file = tmp_path / "queries.sql"
    file.write_text(text)
    return dict(load_queries(file))


def test_statements_are_found_by_name(tmp_path: Path) -> None:
    text = "-- About.\n\n-- name: one\n-- Says one.\nselect 1;\n\n-- name: two\n-- Says two.\nselect\n  2 -- or so\n"
    assert queries(tmp_path, text) == {"one": "select 1", "two": "select\n  2 -- or so"}


@pytest.mark.parametrize(
    "text",
    [
        "select 1;\n-- name: one\n-- c\nselect 1",
        "-- name: one\nselect 1",
        "-- name: one\n-- only a comment\n",
        "-- name: One\n-- c\nselect 1",
        "-- name: one\n-- c\nselect 1\n-- name: one\n-- c\nselect 2",
    ],
    ids=["text before", "no comment", "no statement", "bad name", "twice"],
)
def test_a_file_out_of_form_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(MalformedQueries):
        queries(tmp_path, text)


def test_statements_cannot_be_changed(tmp_path: Path) -> None:
    file = tmp_path / "queries.sql"
    file.write_text("-- name: one\n-- c\nselect 1")
    with pytest.raises(TypeError):
        load_queries(file)["one"] = "drop"  # type: ignore[index]
