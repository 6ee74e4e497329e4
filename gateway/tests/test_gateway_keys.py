"""The keys that tokens are signed with: before, while and after they sign."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from crm_chassis.auth import principal_of
from crm_chassis.database import utc_now
from crm_chassis.problems import Problem
from crm_chassis.testing_servers import PostgresServer
from crm_chassis.tokens import KeySource, TokenVerifier
from crm_gateway.sign_in import keys as signing_keys
from crm_gateway.sign_in.keys import CannotRotate, KeyRing, Sealing, WrongSealingKey
from crm_gateway.sign_in.models import SigningKey
from crm_gateway.testing_harness import (
    Caller,
    Running,
    StubService,
    eventually,
    running_gateway,
    serving,
    settings_for,
)

ME = "/api/identity/v1/me"
ACCOUNTS = "/api/customer/v1/accounts"
OPERATOR = "operator:test"


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every next key counts as known everywhere."""
    monkeypatch.setattr(signing_keys, "AHEAD", timedelta(0))


def ring(gateway: Running, sealing: Sealing | None = None) -> KeyRing:
    """The keys as another process of the gateway sees them."""
    settings = gateway.gateway.settings
    return KeyRing(gateway.service.database, sealing or settings.sealing, 900)


def states(gateway: Running) -> dict[str, str]:
    with gateway.service.database.reading() as session:
        return {
            key.id: signing_keys.state_of(key, utc_now()) for key in signing_keys.keys_of(session)
        }


def published(gateway: Running) -> set[str]:
    return {key["kid"] for key in gateway.call("GET", "/api/auth/keys").json()["keys"]}


def test_the_key_set_is_public_and_has_no_private_part(gateway: Running) -> None:
    gateway.sign_in()
    answer = gateway.call("GET", "/api/auth/keys")
    for key in answer.json()["keys"]:
        assert (key["kty"], key["crv"]) == ("OKP", "Ed25519")
        assert "d" not in key
    assert "max-age" in answer.headers["Cache-Control"]


def test_a_key_is_published_before_it_signs(gateway: Running) -> None:
    signs = gateway.gateway.keys.signing().kid
    assert sorted(states(gateway).values()) == ["active", "next"]
    assert states(gateway)[signs] == "active"
    assert published(gateway) == set(states(gateway))


def test_private_keys_are_sealed_in_the_database(gateway: Running) -> None:
    private = gateway.gateway.keys.signing().as_dict(private=True)["d"]
    with gateway.service.database.reading() as session:
        for stored in session.scalars(select(SigningKey)):
            assert private.encode() not in stored.sealed
            assert "d" not in stored.public
    with pytest.raises(WrongSealingKey, match="SEALING_KEY"):
        ring(gateway, Sealing(b"x" * 32)).signing()


@pytest.mark.usefixtures("known")
def test_after_a_rotation_old_tokens_stay_good_and_new_ones_have_the_next_key(
    gateway: Running, admin: Caller
) -> None:
    elsewhere = ring(gateway)
    before = elsewhere.signing().kid
    (following,) = set(states(gateway)) - {before}
    assert gateway.gateway.keys.rotate(OPERATOR) == following
    assert admin.get(ME).status == 200
    assert gateway.sign_in().get(ME).status == 200
    assert gateway.gateway.keys.signing().kid == following
    assert sorted(states(gateway).values()) == ["active", "next", "retired"]
    assert published(gateway) == set(states(gateway))


def test_a_key_that_is_not_known_everywhere_does_not_sign(gateway: Running) -> None:
    signs = gateway.gateway.keys.signing().kid
    with pytest.raises(CannotRotate, match="not known everywhere before"):
        gateway.gateway.keys.rotate(OPERATOR)
    assert states(gateway)[signs] == "active"
    assert gateway.gateway.keys.rotate(OPERATOR, at_once=True) != signs


def test_another_process_learns_of_a_new_key_when_it_meets_it(gateway: Running) -> None:
    elsewhere = ring(gateway)
    elsewhere.signing()
    gateway.gateway.keys.rotate(OPERATOR, at_once=True)
    (new,) = (key for key, state in states(gateway).items() if state == "next")
    eventually(lambda: any(key.kid == new for key in elsewhere.published(new)))


@pytest.mark.usefixtures("known")
def test_a_retired_key_expires_when_no_token_of_its_is_good(gateway: Running) -> None:
    before = gateway.gateway.keys.signing().kid
    gateway.gateway.keys.rotate(OPERATOR)
    with gateway.service.database.transaction() as session:
        key = session.get_one(SigningKey, before)
        assert key.expires_at is not None
        assert key.expires_at >= utc_now() + timedelta(seconds=900)
        key.expires_at = utc_now()
    assert states(gateway)[str(before)] == "expired"
    elsewhere = ring(gateway)
    assert before not in {key.kid for key in elsewhere.published(None)}


@pytest.mark.usefixtures("known")
def test_a_key_that_got_out_is_trusted_no_longer(gateway: Running, admin: Caller) -> None:
    leaked = gateway.gateway.keys.signing().kid
    with pytest.raises(CannotRotate, match="rotate first"):
        gateway.gateway.keys.retire(str(leaked), OPERATOR)
    gateway.gateway.keys.rotate(OPERATOR)
    gateway.gateway.keys.retire(str(leaked), OPERATOR)
    assert leaked not in published(gateway)
    token = admin.tokens["access_token"]
    with pytest.raises(Problem, match="signature"):
        type(gateway.gateway.access_tokens)(gateway.gateway.keys, 900).verify(token)
    with pytest.raises(CannotRotate, match="no key"):
        gateway.gateway.keys.retire("nothing", OPERATOR)


@pytest.mark.usefixtures("known")
def test_a_next_key_that_got_out_is_replaced(gateway: Running) -> None:
    gateway.gateway.keys.signing()
    (leaked,) = (key for key, state in states(gateway).items() if state == "next")
    gateway.gateway.keys.retire(leaked, OPERATOR)
    assert states(gateway)[leaked] == "expired"
    assert sorted(states(gateway).values()) == ["active", "expired", "next"]
    assert gateway.gateway.keys.rotate(OPERATOR) != leaked


@pytest.mark.usefixtures("known")
def test_a_key_is_rotated_by_age(gateway: Running) -> None:
    keys = gateway.gateway.keys
    before = str(keys.signing().kid)
    assert keys.rotate_if_older(timedelta(days=1), "gateway") is None
    with gateway.service.database.transaction() as session:
        session.execute(update(SigningKey).values(activated_at=SigningKey.made_at))
        session.get_one(SigningKey, before).activated_at = utc_now() - timedelta(days=2)
        (other,) = session.scalars(select(SigningKey).where(SigningKey.id != before))
        other.activated_at = None
    after = keys.rotate_if_older(timedelta(days=1), "gateway")
    assert after == other.id
    assert keys.rotate_if_older(timedelta(days=1), "gateway") is None


def test_the_sealing_key_is_replaced_in_two_steps(gateway: Running) -> None:
    old, new = gateway.gateway.settings.sealing_key_bytes, b"n" * 32
    signs = gateway.gateway.keys.signing().kid
    both = ring(gateway, Sealing(new, former=old))
    assert both.signing().kid == signs
    assert both.reseal(OPERATOR) == 2
    assert ring(gateway, Sealing(new)).signing().kid == signs
    with pytest.raises(WrongSealingKey):
        ring(gateway, Sealing(old)).signing()


def test_what_was_done_with_keys_is_kept(gateway: Running) -> None:
    before = gateway.gateway.keys.signing().kid
    after = gateway.gateway.keys.rotate(OPERATOR, at_once=True)
    gateway.gateway.keys.retire(str(before), OPERATOR)
    gateway.gateway.keys.reseal(OPERATOR)
    acts = gateway.sign_in().get("/api/identity/v1/administrative-acts").json()["items"]
    assert [(act["act"], act["subject"], act["actor"]) for act in acts] == [
        ("key.reseal", None, OPERATOR),
        ("key.retire", before, OPERATOR),
        ("key.rotate", after, OPERATOR),
    ]


# --- under load -------------------------------------------------------------------------------


class VerifyingService(StubService):
    """A service that verifies what the gateway sends it, as every service does."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals: list[str] = []
        self.kids: set[str] = set()

    def trust(self, gateway: Running) -> None:
        source = KeySource(f"{gateway.address}/api/auth/keys")
        self._verifier = TokenVerifier(source.keys, "crm-customer", principal_of)

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        token = environ["HTTP_AUTHORIZATION"].removeprefix("Bearer ")
        header = json.loads(base64.urlsafe_b64decode(token.split(".")[0] + "=="))
        self.kids.add(header["kid"])
        try:
            self._verifier.verify(token)
        except Problem as problem:
            self.refusals.append(problem.detail)
        start_response("200 OK", [("Content-Length", "0")])
        return []


@pytest.fixture
def two_gateways(
    tmp_path: Path, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[list[Running], list[VerifyingService]]]:
    """Two processes of a gateway on one database, that read the keys ten times a second.

    Each is in front of a service that gets its keys from the other one.
    """
    monkeypatch.setattr(signing_keys, "AHEAD", timedelta(seconds=0.5))
    monkeypatch.setattr(signing_keys, "_RELOAD_SECONDS", 0.1)
    monkeypatch.setattr("crm_chassis.tokens._KEYS_AGE_SECONDS", 0.1)
    monkeypatch.setattr("crm_gateway.sign_in.tokens._RENEWED_BEFORE_END_SECONDS", 60)
    url = postgres.create_database("gateway")
    with ExitStack() as stack:
        services = [VerifyingService(), VerifyingService()]
        addresses = [stack.enter_context(serving(service)) for service in services]
        gateways = [
            stack.enter_context(running_gateway(settings_for(tmp_path, address, database_url=url)))
            for address in addresses
        ]
        for service, other in zip(services, reversed(gateways), strict=True):
            service.trust(other)
        yield gateways, services


def test_no_request_fails_while_keys_are_rotated(
    two_gateways: tuple[list[Running], list[VerifyingService]],
) -> None:
    gateways, services = two_gateways
    over = threading.Event()
    answers: list[int] = []

    def ask(mine: Running, other: Running) -> None:
        """Sign in at one process and ask the other, too."""
        while not over.is_set():
            caller = mine.sign_in()
            answers.append(caller.get(ACCOUNTS).status)
            answers.append(Caller(other, caller.tokens).get(ACCOUNTS).status)

    threads = [threading.Thread(target=ask, args=pair) for pair in (gateways, gateways[::-1])]
    first = gateways[0].gateway.keys.signing().kid
    for thread in threads:
        thread.start()
    signed_with = [_rotated(gateways[turn % 2]) for turn in range(4)]
    over.set()
    for thread in threads:
        thread.join(30)
    assert len({first, *signed_with}) == 5
    assert answers
    assert set(answers) == {200}
    assert [service.refusals for service in services] == [[], []]
    assert all(service.kids >= set(signed_with[:-1]) for service in services)


def _rotated(gateway: Running) -> str:
    """Rotate as soon as the next key is known everywhere."""
    signs: list[str] = []

    def rotated() -> bool:
        try:
            signs.append(gateway.gateway.keys.rotate(OPERATOR))
        except CannotRotate:
            return False
        return True

    eventually(rotated)
    return signs[0]
