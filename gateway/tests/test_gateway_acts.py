"""What administrators did is kept, without what is secret or personal; and for how long."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from crm_chassis.database import utc_now
from crm_gateway.sign_in.models import RefreshToken, SigningKey, SignInSession
from crm_gateway.testing_harness import ADMIN_EMAIL, ADMIN_PASSWORD, Caller, Running

IDENTITY = "/api/identity/v1"


def acts(admin: Caller, query: str = "") -> list[dict[str, Any]]:
    answer = admin.get(f"{IDENTITY}/administrative-acts{query}")
    assert answer.status == 200, answer.data
    return answer.json()["items"]


def test_changes_of_rights_are_kept_with_what_was_granted(admin: Caller) -> None:
    me = admin.get(f"{IDENTITY}/me").json()["id"]
    grants = {"sales.leads.read": "team"}
    role = admin.create("roles", name="reader", grants=grants)
    user = admin.create("users", name="李娜", email="li.na@example.com", roles=["reader"])
    admin.patch(f"{IDENTITY}/users/{user['id']}", 1, {"active": False, "name": "李 娜"})
    admin.call("PUT", f"{IDENTITY}/users/{user['id']}/password", json={"password": "a long secret"})
    found = acts(admin)
    assert [(act["act"], act["actor"]) for act in found] == [
        ("user.set_password", me),
        ("user.change", me),
        ("user.create", me),
        ("role.create", me),
    ]
    password, change, creation, new_role = found
    assert password["subject"] == f"/v1/users/{user['id']}/password"
    assert password["detail"] == {"fields": ["password"], "values": {}}
    assert change["detail"] == {"fields": ["active", "name"], "values": {"active": False}}
    assert creation["subject"] == f"/v1/users/{user['id']}"
    assert creation["detail"]["values"] == {"roles": ["reader"]}
    assert new_role["subject"] == f"/v1/roles/{role['id']}"
    assert new_role["detail"]["values"] == {"name": "reader", "grants": grants}
    assert found[0]["correlation_id"]
    for told in ("li.na@", "娜", "a long secret"):
        assert told not in str(found)


def test_what_was_refused_is_no_act(admin: Caller) -> None:
    refused = admin.post(f"{IDENTITY}/users", {"name": "x", "roles": ["nothing"]})
    assert refused.status == 422
    assert acts(admin) == []


def test_acts_are_narrowed_and_paged(admin: Caller) -> None:
    names = [f"team {number}" for number in range(3)]
    teams = [admin.create("teams", name=name) for name in names]
    admin.patch(f"{IDENTITY}/teams/{teams[0]['id']}", 1, {"name": "other"})
    first = admin.get(f"{IDENTITY}/administrative-acts?act=team.create&limit=2").json()
    rest = acts(admin, f"?act=team.create&cursor={first['next_cursor']}")
    told = [act["detail"]["values"]["name"] for act in [*first["items"], *rest]]
    assert told == names[::-1]
    assert len(acts(admin, f"?subject=/v1/teams/{teams[0]['id']}")) == 2
    assert acts(admin, "?actor=nobody") == []
    tomorrow = (utc_now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert acts(admin, f"?since={tomorrow}") == []
    assert len(acts(admin, f"?until={tomorrow}")) == 4


def test_acts_need_a_permission_of_their_own(gateway: Running, admin: Caller) -> None:
    admin.create("roles", name="reader", grants={"identity.*": "all"})
    user = admin.create("users", name="x", email="x@example.com", roles=["reader"])
    path = f"{IDENTITY}/users/{user['id']}/password"
    admin.call("PUT", path, json={"password": "a long secret"})
    reader = gateway.sign_in("x@example.com", "a long secret")
    assert reader.get(f"{IDENTITY}/administrative-acts").status == 403


def test_a_lockout_is_kept_once_by_key_and_not_by_address(gateway: Running, admin: Caller) -> None:
    me = admin.get(f"{IDENTITY}/me").json()["id"]
    for _ in range(7):
        gateway.token(grant_type="password", username=ADMIN_EMAIL, password="wrong password")
    (act,) = acts(admin)
    assert (act["act"], act["subject"]) == ("sign_in.lockout", f"/v1/users/{me}")
    assert ADMIN_EMAIL not in str(act)


class TestSecrets:
    """Of API clients."""

    @pytest.fixture
    def client(self, admin: Caller) -> str:
        return str(admin.create("clients", name="ERP")["id"])

    def make(self, admin: Caller, client: str, **body: Any) -> str:
        sent = {"json": body} if body else {}
        answer = admin.call("POST", f"{IDENTITY}/clients/{client}/secret", **sent)
        assert answer.status == 201, answer.data
        return str(answer.json()["client_secret"])

    def signs_in(self, gateway: Running, client: str, secret: str) -> bool:
        return self.token(gateway, client, secret).status == 200

    def token(self, gateway: Running, client: str, secret: str) -> Any:
        form = {"client_id": client, "client_secret": secret}
        return gateway.token(grant_type="client_credentials", **form)

    def test_without_overlap_the_one_before_is_over(
        self, gateway: Running, admin: Caller, client: str
    ) -> None:
        first, second = self.make(admin, client), self.make(admin, client)
        assert not self.signs_in(gateway, client, first)
        assert self.signs_in(gateway, client, second)
        assert admin.get(f"{IDENTITY}/clients/{client}").json()["former_until"] is None

    def test_two_are_good_while_they_overlap(
        self, gateway: Running, admin: Caller, client: str
    ) -> None:
        first = self.make(admin, client)
        running = Caller(gateway, self.token(gateway, client, first).json())
        second = self.make(admin, client, overlap_seconds=3600)
        assert self.signs_in(gateway, client, first)
        assert self.signs_in(gateway, client, second)
        assert running.get(f"{IDENTITY}/me").status == 200
        assert admin.get(f"{IDENTITY}/clients/{client}").json()["former_until"]
        third = self.make(admin, client, overlap_seconds=3600)
        goods = [self.signs_in(gateway, client, each) for each in (first, second, third)]
        assert goods == [False, True, True]

    def test_the_former_one_ends_when_it_is_said_to(
        self, gateway: Running, admin: Caller, client: str
    ) -> None:
        first = self.make(admin, client)
        second = self.make(admin, client, overlap_seconds=3600)
        ended = admin.call("DELETE", f"{IDENTITY}/clients/{client}/former-secret")
        assert ended.status == 204
        assert not self.signs_in(gateway, client, first)
        assert self.signs_in(gateway, client, second)
        again = admin.call("DELETE", f"{IDENTITY}/clients/{client}/former-secret")
        assert again.status == 404

    def test_the_former_one_ends_by_itself(
        self, gateway: Running, admin: Caller, client: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = self.make(admin, client)
        self.make(admin, client, overlap_seconds=60)
        later = utc_now() + timedelta(seconds=61)
        monkeypatch.setattr("crm_gateway.sign_in.grants.utc_now", lambda: later)
        assert not self.signs_in(gateway, client, first)

    def test_secrets_are_acts_that_tell_no_secret(self, admin: Caller, client: str) -> None:
        secrets = [self.make(admin, client), self.make(admin, client, overlap_seconds=60)]
        newest, *_ = acts(admin, "?act=client.make_secret")
        assert newest["subject"] == f"/v1/clients/{client}"
        assert newest["detail"] == {"overlap_seconds": 60}
        assert not any(secret in str(acts(admin)) for secret in secrets)

    @pytest.mark.parametrize("seconds", [-1, 31 * 86_400, "60", None])
    def test_the_overlap_is_bounded(self, admin: Caller, client: str, seconds: Any) -> None:
        body = {"overlap_seconds": seconds}
        answer = admin.call("POST", f"{IDENTITY}/clients/{client}/secret", json=body)
        assert answer.status == 422


def test_what_is_old_is_removed_and_the_rest_stays(gateway: Running, admin: Caller) -> None:
    database = gateway.service.database
    gateway.gateway.keys.signing()
    for _ in range(2):
        token = admin.tokens["refresh_token"]
        admin.tokens = gateway.token(grant_type="refresh_token", refresh_token=token).json()
    long_ago = utc_now() - timedelta(days=100)
    with database.transaction() as session:
        used = session.scalars(select(RefreshToken).where(RefreshToken.used_at.is_not(None))).all()
        assert len(used) == 2
        used[0].used_at = long_ago
    over = gateway.sign_in()
    gateway.call("POST", "/api/auth/revoke", json={"token": over.tokens["refresh_token"]})
    with database.transaction() as session:
        session.execute(
            update(SignInSession)
            .where(SignInSession.revoked_at.is_not(None))
            .values(revoked_at=long_ago)
        )
        session.execute(
            update(SigningKey)
            .where(SigningKey.activated_at.is_not(None))
            .values(retired_at=long_ago, expires_at=long_ago)
        )
    assert gateway.service.retention.run() == {
        "refresh_tokens": 1,
        "tokens_of_ended_sessions": 1,
        "sessions": 1,
        "signing_keys": 1,
    }
    with database.reading() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 1
        assert session.scalar(select(func.count()).select_from(RefreshToken)) == 2
    assert gateway.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD)
