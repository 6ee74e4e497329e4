"""A process that is told too little does not start, and says all that it misses."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from crm_chassis.settings import Settings, SettingsError

COMPLETE = {
    "DATABASE_URL": "sqlite:////tmp/notes.db",
    "BROKER_URL": "memory://",
    "TOKEN_KEYS": "/tmp/keys.json",
}


@pytest.fixture
def environment(monkeypatch):
    """Sets the whole environment."""

    def set_all(**variables: str) -> None:
        for name in (*COMPLETE, "WEB_THREADS", "TIME_ZONE", "LOG_LEVEL", "SPECIAL"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return set_all


def test_every_missing_variable_is_named_at_once(environment):
    environment()
    with pytest.raises(SettingsError) as error:
        Settings.from_environment("notes")
    for name in COMPLETE:
        assert name in str(error.value)


@pytest.mark.parametrize("name", COMPLETE)
def test_the_one_that_is_missing_is_named_and_no_other(environment, name):
    environment(**{key: value for key, value in COMPLETE.items() if key != name})
    with pytest.raises(SettingsError) as error:
        Settings.from_environment("notes")
    assert {key for key in COMPLETE if key in str(error.value)} == {name}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", ""),
        ("TOKEN_KEYS", "  "),
        ("WEB_THREADS", "many"),
        ("TIME_ZONE", "Mars/Olympus"),
        ("TIME_ZONE", "../../etc/passwd"),
        ("PHONE_REGION", "China"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_variable_is_named_beside_the_missing_ones(environment, name, value):
    given = COMPLETE | {name: value}
    del given["BROKER_URL"]
    environment(**given)
    with pytest.raises(SettingsError) as error:
        Settings.from_environment("notes")
    assert name in str(error.value)
    assert "BROKER_URL" in str(error.value)


def test_what_is_given_is_taken_and_the_rest_has_defaults(environment):
    environment(**COMPLETE, WEB_THREADS="3", TIME_ZONE="Asia/Shanghai")
    settings = Settings.from_environment("notes")
    assert settings.service == "notes"
    assert settings.web_threads == 3
    assert settings.zone.key == "Asia/Shanghai"
    assert settings.embedded
    assert settings.log_level == "INFO"


def test_a_service_adds_variables_by_adding_fields(environment):
    @dataclass(frozen=True, kw_only=True)
    class Special(Settings):
        special: int

    environment(**COMPLETE)
    with pytest.raises(SettingsError, match="SPECIAL"):
        Special.from_environment("notes")
    environment(**COMPLETE, SPECIAL="7")
    assert Special.from_environment("notes").special == 7
