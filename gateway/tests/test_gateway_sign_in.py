"""Tokens: how they are got, refused, refreshed and ended."""

import base64
import concurrent.futures
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from argon2 import Parameters, PasswordHasher, extract_parameters
from joserfc import jwt
from joserfc.jwk import OctKey, OKPKey
from sqlalchemy import select

from crm_chassis.tokens import ALGORITHM
from crm_gateway.sign_in.models import RefreshToken, SignInSession
from crm_gateway.sign_in.passwords import hash_password, verify_password
from crm_gateway.testing_harness import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    Caller,
    Running,
    eventually,
    running_gateway,
    settings_for,
)
from crm_gateway.users.queries import user_by_email

ME = "/api/identity/v1/me"
ACCOUNTS = "/api/customer/v1/accounts"


def refused(answer: Any, status: int, error: str) -> dict[str, Any]:
    assert answer.status == status, answer.data
    body: dict[str, Any] = answer.json()
    assert body["error"] == error
    assert body["error_description"] == body["detail"]
    assert body["status"] == status
    return body


# --- password ---------------------------------------------------------------------------------


def test_a_user_signs_in_with_a_form_or_json(gateway: Running) -> None:
    form = gateway.token(
        grant_type="password", username="ADMIN@example.com", password=ADMIN_PASSWORD
    )
    sent = {"grant_type": "password", "username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
    as_json = gateway.call("POST", "/api/auth/token", json=sent)
    for answer in (form, as_json):
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        body = answer.json()
        assert body["token_type"] == "Bearer"
        assert body["expires_in"] == 900
        assert body["refresh_token"]
        me = gateway.call("GET", ME, headers={"Authorization": f"Bearer {body['access_token']}"})
        assert me.json()["email"] == ADMIN_EMAIL


def test_nobody_learns_which_accounts_there_are(gateway: Running, admin: Caller) -> None:
    admin.create("users", name="No Password", email="quiet@example.com")
    tries = [(ADMIN_EMAIL, "wrong"), ("nobody@example.com", "wrong"), ("quiet@example.com", "")]
    bodies = set()
    for email, password in tries:
        answer = gateway.token(grant_type="password", username=email, password=password or "x")
        refused(answer, 400, "invalid_grant")
        bodies.add(answer.data)
    assert len(bodies) == 1


def test_an_unknown_account_takes_the_work_of_a_wrong_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stored = hash_password("right")
    worked: list[Parameters] = []
    verify = PasswordHasher.verify

    def watched(hasher: PasswordHasher, hashed: str, password: str) -> bool:
        worked.append(extract_parameters(hashed))
        return verify(hasher, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    assert not verify_password(stored, "wrong")
    assert not verify_password(None, "wrong")
    known, unknown = worked
    assert known == unknown


def test_who_left_cannot_sign_in(gateway: Running, admin: Caller) -> None:
    user = admin.create("users", name="Li", email="li@example.com")
    path = f"/api/identity/v1/users/{user['id']}"
    admin.call("PUT", f"{path}/password", json={"password": "long enough"})
    assert gateway.sign_in("li@example.com", "long enough").get(ME).status == 200
    assert admin.patch(path, user["version"] + 1, {"active": False}).status == 200
    answer = gateway.token(grant_type="password", username="li@example.com", password="long enough")
    refused(answer, 400, "invalid_grant")


@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        ({"password_hash": hash_password("another long one")}, 400),
        ({"password_hash": hash_password(ADMIN_PASSWORD)}, 200),
        ({"active": False}, 400),
    ],
)
def test_what_changes_while_a_password_is_verified_counts(
    gateway: Running, monkeypatch: pytest.MonkeyPatch, meanwhile: dict[str, Any], status: int
) -> None:
    """A reset is not undone; the same password hashed anew, by a sign-in beside, is good."""

    def verify(stored: str | None, password: str) -> bool:
        good = verify_password(stored, password)
        monkeypatch.undo()
        with gateway.service.database.transaction() as session:
            user = user_by_email(session, ADMIN_EMAIL)
            for name, value in meanwhile.items():
                setattr(user, name, value)
        return good

    monkeypatch.setattr("crm_gateway.sign_in.grants.verify_password", verify)
    form = {"grant_type": "password", "username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
    assert gateway.token(**form).status == status
    with gateway.service.database.reading() as session:
        user = user_by_email(session, ADMIN_EMAIL)
        assert user is not None
        assert meanwhile.items() <= vars(user).items()
        assert len(session.scalars(select(SignInSession)).all()) == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password"}, "invalid_request"),
        ({"grant_type": "password", "username": "a"}, "invalid_request"),
        ({"grant_type": "magic"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "made up"}, "invalid_grant"),
    ],
)
def test_wrong_requests_for_a_token_are_named(
    gateway: Running, form: dict[str, str], error: str
) -> None:
    refused(gateway.token(**form), 400, error)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b'{"grant_type": 1}',
        b"\xff\xfe",
        b'{"grant_type": "refresh_token", "refresh_token": "\\ud800"}',
        b'{"grant_type": "password", "username": "\\ud800", "password": "x"}',
        b'{"grant_type": "password", "username": "a@example.com", "password": "\\ud800"}',
        b'{"\\ud800": 1}',
    ],
)
def test_broken_json_is_an_invalid_request(gateway: Running, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = gateway.call("POST", "/api/auth/token", body=body, headers=headers)
    refused(answer, 400, "invalid_request")


def test_failed_sign_ins_are_throttled_per_account(gateway: Running) -> None:
    def sign_in(password: str) -> Any:
        return gateway.token(grant_type="password", username=ADMIN_EMAIL, password=password)

    assert [sign_in("wrong").status for _ in range(5)] == [400] * 5
    answer = sign_in(ADMIN_PASSWORD)
    refused(answer, 429, "temporarily_unavailable")
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    other = gateway.token(grant_type="password", username="b@example.com", password="wrong")
    assert other.status == 400


def test_unknown_accounts_are_throttled_like_known_ones(gateway: Running) -> None:
    tries = [
        gateway.token(grant_type="password", username="none@example.com", password="x").status
        for _ in range(6)
    ]
    assert tries == [400] * 5 + [429]


def test_many_tries_at_once_are_no_way_around_the_throttle(gateway: Running) -> None:
    def attempt(number: int) -> int:
        form = {"username": ADMIN_EMAIL, "password": f"guess {number}"}
        return gateway.token(grant_type="password", **form).status

    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        statuses = list(pool.map(attempt, range(12)))
    assert statuses.count(400) == 5


def test_a_good_sign_in_forgets_the_failures_before_it(gateway: Running) -> None:
    for password in ["wrong"] * 4 + [ADMIN_PASSWORD] + ["wrong"] * 5:
        answer = gateway.token(grant_type="password", username=ADMIN_EMAIL, password=password)
        assert answer.status in (200, 400)


def test_failed_sign_ins_are_throttled_per_address(gateway: Running) -> None:
    statuses = [
        gateway.token(grant_type="password", username=f"{n}@example.com", password="x").status
        for n in range(31)
    ]
    assert statuses == [400] * 30 + [429]


def test_strangers_do_not_lock_out_a_user_where_they_have_signed_in_before(
    tmp_path: Path, service_address: str
) -> None:
    settings = settings_for(tmp_path, service_address, trusted_proxies=1)
    with running_gateway(settings) as gateway:

        def sign_in(address: str, password: str) -> int:
            form = {"grant_type": "password", "username": ADMIN_EMAIL, "password": password}
            headers = {"X-Forwarded-For": address}
            return gateway.call("POST", "/api/auth/token", json=form, headers=headers).status

        assert sign_in("2001:db8:1:1::a", ADMIN_PASSWORD) == 200
        strangers = [sign_in(f"2001:db8:2:{n}::a", "wrong") for n in range(6)]
        assert strangers == [400] * 5 + [429]
        assert sign_in("2001:db8:3::a", ADMIN_PASSWORD) == 429
        assert sign_in("2001:db8:1:1::b", ADMIN_PASSWORD) == 200
        assert sign_in("2001:db8:3::a", ADMIN_PASSWORD) == 429  # that one frees only itself
        guesses = [sign_in("2001:db8:1:1::c", "wrong") for _ in range(6)]
        assert guesses == [400] * 5 + [429]


def test_a_network_of_ipv6_is_throttled_as_one_address(
    tmp_path: Path, service_address: str
) -> None:
    settings = settings_for(tmp_path, service_address, trusted_proxies=1)
    with running_gateway(settings) as gateway:

        def sign_in(number: int, network: str = "2001:db8:1:1") -> int:
            form = {"grant_type": "password", "username": f"{number}@x.com", "password": "x"}
            headers = {"X-Forwarded-For": f"{network}::{number:x}"}
            return gateway.call("POST", "/api/auth/token", json=form, headers=headers).status

        assert [sign_in(number) for number in range(31)] == [400] * 30 + [429]
        assert sign_in(31, network="2001:db8:1:2") == 400


def test_behind_a_proxy_the_address_is_the_clients(tmp_path: Path, service_address: str) -> None:
    settings = settings_for(tmp_path, service_address, trusted_proxies=1)
    with running_gateway(settings) as gateway:
        for number in range(31):
            form = {"grant_type": "password", "username": f"{number}@x.com", "password": "x"}
            headers = {"X-Forwarded-For": f"9.9.9.9, 10.0.0.{number}"}
            answer = gateway.call("POST", "/api/auth/token", json=form, headers=headers)
            assert answer.status == 400


# --- client credentials -----------------------------------------------------------------------


@pytest.fixture
def client(admin: Caller) -> dict[str, str]:
    made = admin.create("clients", name="ERP", own_grants={"customer.accounts.*": "all"})
    secret: dict[str, str] = admin.post(f"/api/identity/v1/clients/{made['id']}/secret", {}).json()
    return secret


def test_an_api_client_signs_in_by_form_or_basic(gateway: Running, client: dict[str, str]) -> None:
    form = gateway.token(grant_type="client_credentials", **client)
    basic = base64.b64encode(f"{client['client_id']}:{client['client_secret']}".encode()).decode()
    by_header = gateway.call(
        "POST",
        "/api/auth/token",
        fields={"grant_type": "client_credentials"},
        encode_multipart=False,
        headers={"Authorization": f"Basic {basic}"},
    )
    for answer in (form, by_header):
        assert answer.status == 200, answer.data
        assert "refresh_token" not in answer.json()
        me = Caller(gateway, answer.json()).get(ME).json()
        assert (me["kind"], me["name"]) == ("client", "ERP")
        assert me["grants"] == {"customer.accounts.*": "all"}


@pytest.mark.parametrize(
    "changes", [{"client_secret": "wrong"}, {"client_id": "none"}, {"client_id": "0" * 32}]
)
def test_a_wrong_client_is_an_invalid_client(
    gateway: Running, client: dict[str, str], changes: dict[str, str]
) -> None:
    answer = gateway.token(grant_type="client_credentials", **{**client, **changes})
    refused(answer, 401, "invalid_client")
    assert answer.headers["WWW-Authenticate"].startswith("Basic")


def test_a_client_is_throttled_by_address_and_never_by_its_id(
    tmp_path: Path, service_address: str
) -> None:
    settings = settings_for(tmp_path, service_address, trusted_proxies=1)
    with running_gateway(settings) as gateway:
        admin = gateway.sign_in()
        made = admin.create("clients", name="ERP")
        secret = admin.post(f"/api/identity/v1/clients/{made['id']}/secret", {}).json()

        def sign_in(address: str, **changes: str) -> int:
            form = {"grant_type": "client_credentials", **secret, **changes}
            headers = {"X-Forwarded-For": address}
            return gateway.call("POST", "/api/auth/token", json=form, headers=headers).status

        wrong = [sign_in("9.9.9.9", client_secret="wrong") for _ in range(31)]
        assert wrong == [401] * 30 + [429]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda _: sign_in("10.0.0.1"), range(8))) == [200] * 8


def test_a_new_secret_ends_the_one_before(
    gateway: Running, admin: Caller, client: dict[str, str]
) -> None:
    path = f"/api/identity/v1/clients/{client['client_id']}/secret"
    new = admin.post(path, {}, headers={"Idempotency-Key": "once"}).json()
    assert gateway.token(grant_type="client_credentials", **client).status == 401
    assert gateway.token(grant_type="client_credentials", **new).status == 200
    assert admin.post(path, {}, headers={"Idempotency-Key": "once"}).json() != new


# --- refresh ----------------------------------------------------------------------------------


def refresh(gateway: Running, token: str) -> Any:
    return gateway.token(grant_type="refresh_token", refresh_token=token)


def test_a_refresh_token_is_good_once_and_its_successor_too(
    gateway: Running, admin: Caller
) -> None:
    second = refresh(gateway, admin.tokens["refresh_token"]).json()
    third = refresh(gateway, second["refresh_token"]).json()
    assert Caller(gateway, third).get(ME).status == 200


def test_a_refresh_token_used_twice_ends_the_whole_session(gateway: Running, admin: Caller) -> None:
    thiefs = Caller(gateway, refresh(gateway, admin.tokens["refresh_token"]).json())
    refused(refresh(gateway, admin.tokens["refresh_token"]), 400, "invalid_grant")
    refused(refresh(gateway, thiefs.tokens["refresh_token"]), 400, "invalid_grant")
    eventually(lambda: thiefs.get(ME).status == 401)
    eventually(lambda: admin.get(ME).status == 401)
    assert gateway.sign_in().get(ME).status == 200


def test_of_many_refreshes_at_once_one_is_let_through(gateway: Running, admin: Caller) -> None:
    token = admin.tokens["refresh_token"]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        statuses = [
            answer.status for answer in pool.map(lambda _: refresh(gateway, token), range(8))
        ]
    assert sorted(statuses) == [200] + [400] * 7


def test_refresh_tokens_are_stored_as_digests_only(gateway: Running, admin: Caller) -> None:
    with gateway.service.database.reading() as session:
        stored = session.scalars(select(RefreshToken.digest)).all()
    assert admin.tokens["refresh_token"] not in stored


def test_a_session_ends_after_its_days(tmp_path: Path, service_address: str) -> None:
    settings = settings_for(tmp_path, service_address, session_days=0)
    with running_gateway(settings) as gateway:
        admin = gateway.sign_in()
        refused(refresh(gateway, admin.tokens["refresh_token"]), 400, "invalid_grant")
        assert admin.get(ME).json()["type"] == "urn:crm:problem:session-ended"


# --- revocation -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_signing_out_ends_the_session(gateway: Running, admin: Caller, kind: str) -> None:
    other = gateway.sign_in()
    answer = gateway.call(
        "POST", "/api/auth/revoke", fields={"token": admin.tokens[kind]}, encode_multipart=False
    )
    assert answer.status == 200
    refused(refresh(gateway, admin.tokens["refresh_token"]), 400, "invalid_grant")
    eventually(lambda: admin.get(ACCOUNTS).status == 401)
    body = admin.get(ACCOUNTS).json()
    assert body["type"] == "urn:crm:problem:session-ended"
    assert other.get(ACCOUNTS).status == 200


def test_revoking_what_is_no_token_is_no_error(gateway: Running) -> None:
    for token in ("nothing", "李"):
        answer = gateway.call("POST", "/api/auth/revoke", json={"token": token})
        assert answer.status == 200
    refused(gateway.call("POST", "/api/auth/revoke", json={}), 400, "invalid_request")


def test_ended_sessions_are_forgotten_a_day_later(gateway: Running, admin: Caller) -> None:
    database = gateway.service.database
    with database.transaction() as session:
        ended = session.scalars(select(SignInSession)).one()
        ended.revoked_at = ended.started_at.replace(year=2020)
    assert gateway.sign_in()
    gateway.service.retention.run()
    with database.reading() as session:
        assert len(session.scalars(select(SignInSession)).all()) == 1
        assert len(session.scalars(select(RefreshToken)).all()) == 1


# --- bad tokens -------------------------------------------------------------------------------


def claims_of(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4))
    )
    return claims


def _expired(gateway: Running, claims: dict[str, Any]) -> str:
    return _signed(gateway, {**claims, "iat": 1, "exp": 2})


def _other_audience(gateway: Running, claims: dict[str, Any]) -> str:
    return _signed(gateway, {**claims, "aud": "crm-customer"})


def _other_issuer(gateway: Running, claims: dict[str, Any]) -> str:
    return _signed(gateway, {**claims, "iss": "somebody"})


def _without_expiry(gateway: Running, claims: dict[str, Any]) -> str:
    return _signed(gateway, {name: value for name, value in claims.items() if name != "exp"})


def _without_session(gateway: Running, claims: dict[str, Any]) -> str:
    return _signed(gateway, {name: value for name, value in claims.items() if name != "sid"})


def _signed(gateway: Running, claims: dict[str, Any]) -> str:
    key = gateway.gateway.keys.signing()
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


def _other_key(_gateway: Running, claims: dict[str, Any]) -> str:
    key = OKPKey.generate_key("Ed25519", auto_kid=True)
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key, algorithms=[ALGORITHM])


def _other_key_same_id(gateway: Running, claims: dict[str, Any]) -> str:
    key = OKPKey.generate_key("Ed25519")
    kid = gateway.gateway.keys.signing().kid
    return jwt.encode({"alg": ALGORITHM, "kid": kid}, claims, key, algorithms=[ALGORITHM])


def _shared_secret(gateway: Running, claims: dict[str, Any]) -> str:
    """The public key taken for the secret of an HMAC."""
    public = gateway.gateway.keys.signing()
    secret = OctKey.import_key(json.dumps(public.as_dict(private=False)))
    return jwt.encode({"alg": "HS256", "kid": public.kid}, claims, secret, algorithms=["HS256"])


def _unsigned(_gateway: Running, claims: dict[str, Any]) -> str:
    def part(value: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


def _changed(gateway: Running, claims: dict[str, Any]) -> str:
    head, _, signature = _signed(gateway, claims).split(".")
    body = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "root"}).encode()).decode()
    return f"{head}.{body.rstrip('=')}.{signature}"


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (_expired, "token-expired"),
        (_other_audience, "token-audience"),
        (_other_issuer, "token-claims"),
        (_without_expiry, "token-claims"),
        (_without_session, "token-claims"),
        (_other_key, "token-signature"),
        (_other_key_same_id, "token-signature"),
        (_shared_secret, "token-algorithm"),
        (_unsigned, "token-algorithm"),
        (_changed, "token-signature"),
        (lambda _gateway, _claims: "abc", "token-malformed"),
        (lambda _gateway, _claims: "..", "token-malformed"),
        (lambda _gateway, _claims: "\xe9" * 30, "token-malformed"),
    ],
)
@pytest.mark.parametrize("path", [ACCOUNTS, ME])
def test_bad_tokens_are_named(
    gateway: Running,
    admin: Caller,
    make: Callable[[Running, dict[str, Any]], str],
    code: str,
    path: str,
) -> None:
    token = make(gateway, claims_of(admin.tokens["access_token"]))
    answer = gateway.call("GET", path, headers={"Authorization": f"Bearer {token}"})
    assert answer.status == 401, answer.data
    assert answer.json()["type"] == f"urn:crm:problem:{code}"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("path", [ACCOUNTS, ME, "/v1/me", "/v1/imports/1"])
@pytest.mark.parametrize("header", [None, "Basic YTpi", "Bearer", "Bearer  "])
def test_no_token_is_a_401(gateway: Running, path: str, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = gateway.call("GET", path, headers=headers)
    assert answer.status == 401
    assert answer.json()["type"] == "urn:crm:problem:token-missing"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_is_refused_though_it_was_good_before(
    tmp_path: Path, service_address: str
) -> None:
    settings = settings_for(tmp_path, service_address, access_token_seconds=4)
    with running_gateway(settings) as gateway:
        admin = gateway.sign_in()
        assert admin.get(ACCOUNTS).status == 200
        eventually(lambda: admin.get(ACCOUNTS).status == 401)
        assert admin.get(ACCOUNTS).json()["type"] == "urn:crm:problem:token-expired"
