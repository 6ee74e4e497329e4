"""Signing in, staying so, and who else can read it."""

from __future__ import annotations

import json
import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crm_client import Client, ClientGrant, PasswordGrant, TokenStore
from crm_client.errors import NotSignedInError

GRANT = PasswordGrant("li.na@example.com", "正确的马")
MACHINE = ClientGrant("erp", "s3cret")
LEADS = "/api/sales/v1/leads?limit=1"


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "crm" / "tokens.json")


def grants(platform) -> list[str]:
    """Which grants the token endpoint was asked for, in order."""
    asked = platform.asked("POST", "/api/auth/token")
    return [request.body.decode().split("grant_type=")[1].split("&")[0] for request in asked]


def test_one_token_serves_many_requests(platform, client):
    client.get(LEADS)
    client.get(LEADS)
    assert grants(platform) == ["password"]


def test_a_token_near_its_end_is_renewed_by_its_refresh_token(platform, client):
    platform.expires_in = 5
    client.get(LEADS)
    client.get(LEADS)
    client.get(LEADS)
    assert grants(platform) == ["password", "refresh_token", "refresh_token"]
    assert platform.reused_refresh_tokens == 0


def test_a_token_refused_before_its_end_is_renewed_and_the_request_repeated(platform, client):
    client.get(LEADS)
    platform.access_tokens.clear()
    assert client.get(LEADS)["items"] == []
    assert grants(platform) == ["password", "refresh_token"]


def test_the_grant_signs_in_anew_when_the_refresh_token_has_ended(platform, client):
    platform.expires_in = 5
    client.get(LEADS)
    platform.refresh_tokens.clear()
    client.get(LEADS)
    assert grants(platform) == ["password", "refresh_token", "password"]


def test_an_api_client_signs_in_anew(platform):
    platform.expires_in = 5
    machine = Client(platform.url, grant=MACHINE)
    machine.get(LEADS)
    machine.get(LEADS)
    assert grants(platform) == ["client_credentials", "client_credentials"]


def test_a_sign_in_outlives_the_process(platform, store):
    Client(platform.url, store=store).sign_in(GRANT)
    Client(platform.url, store=TokenStore(store.path)).get(LEADS)
    assert grants(platform) == ["password"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_only_its_owner_can_read_the_token_file(platform, store):
    before = os.umask(0)
    try:
        Client(platform.url, store=store).sign_in(GRANT)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(store.path.parent.stat().st_mode) == 0o700


def test_a_password_is_never_written_down(platform, store):
    Client(platform.url, store=store).sign_in(GRANT)
    written = "".join(path.read_text("utf-8") for path in store.path.parent.iterdir())
    assert json.dumps(GRANT.password).strip('"') not in written
    assert GRANT.password not in written


def test_secrets_are_not_shown_by_repr(platform, store):
    Client(platform.url, store=store).sign_in(MACHINE)
    shown = repr([GRANT, MACHINE, store.load(platform.url)])
    kept = store.load(platform.url).token
    for secret in (GRANT.password, MACHINE.client_secret, kept.access_token):
        assert secret not in shown


def test_a_stored_api_client_can_renew(platform, store):
    platform.expires_in = 5
    Client(platform.url, store=store).sign_in(MACHINE)
    Client(platform.url, store=TokenStore(store.path)).get(LEADS)
    assert grants(platform) == ["client_credentials", "client_credentials"]


def test_processes_that_share_a_sign_in_use_each_refresh_token_once(platform, store):
    platform.expires_in = 0
    Client(platform.url, store=store).sign_in(GRANT)
    platform.expires_in = 900
    others = [Client(platform.url, store=TokenStore(store.path)) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda other: other.get(LEADS), others))

    assert grants(platform) == ["password", "refresh_token"]
    assert platform.reused_refresh_tokens == 0


def test_a_stored_sign_in_that_has_ended_says_so(platform, store):
    platform.expires_in = 0
    Client(platform.url, store=store).sign_in(GRANT)
    platform.refresh_tokens.clear()
    with pytest.raises(NotSignedInError, match="has ended: sign in again"):
        Client(platform.url, store=store).get(LEADS)


def test_signing_out_gives_the_refresh_token_back_and_forgets_it(platform, store):
    Client(platform.url, store=store).sign_in(GRANT)
    refresh = store.load(platform.url).token.refresh_token
    Client(platform.url, store=store).sign_out()
    assert platform.revoked == [refresh]
    assert store.load(platform.url) is None
    assert store.current() is None


def test_sign_ins_at_two_platforms_stand_side_by_side(platform, store):
    Client(platform.url, store=store).sign_in(GRANT)
    other = platform.url.replace("127.0.0.1", "localhost")
    Client(other, store=store).sign_in(MACHINE)
    assert store.current() == other
    assert store.load(platform.url).grant is None
    assert store.load(other).grant == MACHINE


def test_a_broken_token_file_is_named(platform, store):
    store.path.parent.mkdir()
    store.path.write_text("{")
    with pytest.raises(NotSignedInError, match=r"tokens\.json cannot be read"):
        Client(platform.url, store=store).get(LEADS)
