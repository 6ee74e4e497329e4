"""How a service comes to know the gateway's keys, and to forget them."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import orjson
import pytest
from joserfc.jwk import KeySet, OKPKey

from crm_chassis import tokens
from crm_chassis.tokens import KeySource


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Published:
    """A key set in a file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "keys.json"
        self.source = KeySource(str(self.file))

    def publish(self, *key_ids: str) -> None:
        keys = [OKPKey.generate_key("Ed25519", {"kid": kid}, auto_kid=False) for kid in key_ids]
        self.file.write_bytes(orjson.dumps(KeySet(keys).as_dict(private=False)))

    def known(self, key_id: str) -> set[str | None]:
        return {key.kid for key in self.source.keys(key_id).keys}


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tokens.time, "monotonic", clock.monotonic)
    return clock


@pytest.fixture
def published(tmp_path: Path, clock: Clock) -> Published:
    published = Published(tmp_path)
    published.publish("first")
    assert published.known("first") == {"first"}
    return published


def test_keys_are_read_once_while_all_are_known(published):
    published.publish("first", "next")
    assert published.known("first") == {"first"}


def test_an_unknown_key_is_looked_for_but_not_at_once_again(published, clock):
    published.publish("first", "next")
    assert published.known("next") == {"first"}
    clock.now += 11
    assert published.known("next") == {"first", "next"}


def test_a_key_that_is_not_published_any_more_is_forgotten_in_minutes(published, clock):
    published.publish("next")
    clock.now += 119
    assert published.known("first") == {"first"}
    clock.now += 2
    assert published.known("first") == {"next"}


def test_while_the_keys_cannot_be_read_the_known_ones_stay_good(published, clock):
    published.file.unlink()
    clock.now += 121
    assert published.known("first") == {"first"}
    published.publish("next")
    clock.now += 119
    assert published.known("first") == {"first"}, "it does not ask again and again"
    clock.now += 2
    assert published.known("first") == {"next"}


def test_nobody_who_knows_the_key_waits_for_the_one_who_reads(published, clock, monkeypatch):
    reading, answered = threading.Event(), threading.Event()
    read = published.source._read

    def slowly() -> KeySet:
        reading.set()
        assert answered.wait(10)
        return read()

    monkeypatch.setattr(published.source, "_read", slowly)
    clock.now += 121
    with ThreadPoolExecutor(2) as pool:
        reader = pool.submit(published.known, "first")
        assert reading.wait(10)
        try:
            assert pool.submit(published.known, "first").result(timeout=10) == {"first"}
        finally:
            answered.set()
        assert reader.result() == {"first"}


def test_without_any_key_it_says_so(tmp_path):
    with pytest.raises(OSError, match="nowhere"):
        KeySource(str(tmp_path / "nowhere")).keys("first")
