"""The settings' page in the documents says what the settings' class says."""

import re
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

import tests
from lending.runtime.settings import InvalidSettings, LogFormat, Settings, load_settings

PAGE = Path(tests.__file__).parents[1] / "docs" / "reference" / "settings.md"


def variable(field: str) -> str:
    return "DATABASE_URL" if field == "database_url" else f"LENDING_{field.upper()}"


def default(info: FieldInfo) -> str:
    value = info.default
    if value is None:
        return "none"
    text = value.value if isinstance(value, StrEnum) else str(value)
    return f"`{text.lower() if isinstance(value, bool) else text}`"


def test_every_setting_is_on_the_page_with_its_default_and_meaning() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+) \|$", PAGE.read_text(), flags=re.MULTILINE)
    fields = Settings.model_fields.items()
    assert rows == [(variable(name), default(info), info.description) for name, info in fields]


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://a@b/c")
    monkeypatch.setenv("LENDING_PORT", "9000")
    monkeypatch.setenv("LENDING_LOG_FORMAT", "json")
    monkeypatch.setenv("LENDING_TIMEZONE", "")
    settings = load_settings(port=None, host="::1")
    assert settings.database_url == "postgresql://a@b/c"
    assert (settings.port, settings.host, settings.timezone) == (9000, "::1", "UTC")
    assert settings.log_format is LogFormat.JSON
    assert "a@b" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("DATABASE_URL", "mysql://a:secret@b/c", "DATABASE_URL: must begin with postgresql://"),
        ("LENDING_PORT", "70000", "LENDING_PORT: .* less than or equal to 65535"),
        ("LENDING_TIMEZONE", "Mars/Olympus", "LENDING_TIMEZONE: not a time zone"),
        ("LENDING_LOG_LEVEL", "loud", "LENDING_LOG_LEVEL: .* 'debug'"),
        ("LENDING_JWT_ALGORITHMS", "none", "LENDING_JWT_ALGORITHMS: must be some of RS256"),
        ("LENDING_JWT_ALGORITHMS", "RS256,HS256", "LENDING_JWT_ALGORITHMS: must be some of"),
        ("LENDING_JWT_ALGORITHMS", " ,", "LENDING_JWT_ALGORITHMS: must be some of"),
        ("LENDING_JWT_KEYS", "http://secret.example/keys", "LENDING_JWT_KEYS: must be the path"),
        ("LENDING_JWT_ISSUER", "https://a", "jwt_issuer, jwt_audience and jwt_keys go together"),
        ("LENDING_ALLOWED_HOSTS", "a.example:80", "LENDING_ALLOWED_HOSTS: must be names of hosts"),
        ("LENDING_AUTHENTICATION", "maybe", "LENDING_AUTHENTICATION: .* 'required'"),
        ("LENDING_API_KEY", "lk a secret", "LENDING_API_KEY: must be printable ASCII"),
        ("LENDING_POOL_MIN_CONNECTIONS", "50", "pool_min_connections is more than"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named_but_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSettings, match=sentence) as refused:
        load_settings()
    assert "secret" not in str(refused.value)
