"""Every request is answered as asked or refused with a problem that names what is wrong."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, OKPKey
from notes_service import Note
from sqlalchemy import func, select
from sqlalchemy import table as named
from werkzeug.test import TestResponse

from crm_chassis.auth import principal_of
from crm_chassis.database import new_id
from crm_chassis.logs import configure_logs
from crm_chassis.problems import Problem
from crm_chassis.testing_harness import Harness, Signer, problem_fields
from crm_chassis.testing_runtimes import free_port
from crm_chassis.tokens import ISSUER, KeySource, TokenVerifier

NOTE = {"title": "Buy milk", "price": "1.50"}


@pytest.fixture
def one(make_service) -> Harness:
    """The notes service on SQLite, for what no database makes a difference to."""
    return make_service("notes")


def refused(response: TestResponse, status: int, code: str) -> dict[str, Any]:
    """The problem, after a look at what every problem has."""
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type == "application/problem+json"
    problem = json.loads(response.data)
    assert problem["type"] == f"urn:crm:problem:{code}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    assert problem["instance"] == response.request.path
    return problem


def stored(service: Harness) -> list[Note]:
    with service.service.database.reading() as session:
        return list(session.scalars(select(Note)))


class TestProblems:
    @pytest.mark.parametrize(
        ("body", "fields"),
        [
            ({}, ["title"]),
            ({"title": " "}, ["title"]),
            ({"title": "x" * 201}, ["title"]),
            ({"title": "a\0b"}, ["title"]),
            ({"title": ["x"]}, ["title"]),
            ({**NOTE, "colour": "red", "rank": "high"}, ["colour", "rank"]),
            ({**NOTE, "price": 1.5, "phone": "call me"}, ["phone", "price"]),
            ({**NOTE, "price": "1e5"}, ["price"]),
            ({**NOTE, "price": "1.23456"}, ["price"]),
            ({**NOTE, "remind_at": "2026-01-31T09:00:00"}, ["remind_at"]),
            ({**NOTE, "remind_at": "0001-01-01T00:00:00+08:00"}, ["remind_at"]),
            ({**NOTE, "day": "31.01.2026"}, ["day"]),
            ({**NOTE, "owner_id": 7}, ["owner_id"]),
            ({**NOTE, "owner_id": "0193a000-0000-7000-8000-000000000001"}, ["owner_id"]),
            ([], ["body"]),
            ("Buy milk", ["body"]),
            (7, ["body"]),
        ],
        ids=str,
    )
    def test_every_invalid_field_is_named(self, one, body, fields):
        response = one.as_user().post("/v1/notes", json=body)
        refused(response, 422, "invalid")
        assert problem_fields(response) == fields
        assert stored(one) == []

    @pytest.mark.parametrize(
        "body",
        [
            b"{",
            b'{"title": "a",}',
            b"{'title': 'a'}",
            b"\xff\xfe{}",
            b'{"title": "\xc3"}',
            b'{"title": "\\ud800"}',
            b'{"rank": NaN, "title": "a"}',
            b"[" * 100_000,
            b'{"title": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        ],
        ids=lambda body: repr(body[:20]),
    )
    def test_broken_json_is_told_as_such(self, one, body):
        response = one.as_user().post("/v1/notes", data=body, content_type="application/json")
        refused(response, 400, "malformed")
        assert problem_fields(response) == ["body"]
        assert stored(one) == []

    @pytest.mark.parametrize("digits", [30, 400, 5_000])
    def test_enormous_numbers_are_refused(self, one, digits):
        body = b'{"title": "a", "rank": ' + b"9" * digits + b"}"
        response = one.as_user().post("/v1/notes", data=body, content_type="application/json")
        assert 400 <= response.status_code < 500, response.data
        assert response.content_type == "application/problem+json"

    @pytest.mark.parametrize("content_type", ["text/plain", "application/xml", None])
    def test_another_content_type_is_refused(self, one, content_type):
        user = one.as_user()
        note = user.post("/v1/notes", json=NOTE)
        for call, path in ((user.post, "/v1/notes"), (user.patch, f"/v1/notes/{note.json['id']}")):
            response = call(
                path, data=b'{"title": "b"}', content_type=content_type, headers={"If-Match": '"1"'}
            )
            refused(response, 415, "unsupported-media-type")
        assert [note.title for note in stored(one)] == ["Buy milk"]

    def test_the_content_type_may_have_parameters(self, one):
        response = one.as_user().post(
            "/v1/notes", data=b'{"title": "b"}', content_type="application/json; charset=utf-8"
        )
        assert response.status_code == 201

    @pytest.mark.parametrize(
        ("query", "fields"),
        [
            ("colour=red", ["colour"]),
            ("limit=0", ["limit"]),
            ("limit=201", ["limit"]),
            ("limit=x&sort=colour", ["limit", "sort"]),
            ("cursor=x", ["cursor"]),
            ("rank_from=x", ["rank_from"]),
            ("q=", ["q"]),
        ],
    )
    def test_wrong_query_parameters_are_named(self, one, query, fields):
        response = one.as_user().get(f"/v1/notes?{query}")
        refused(response, 422, "invalid")
        assert problem_fields(response) == fields

    @pytest.mark.parametrize(
        "query",
        [
            "q=%00",
            "q=%ff%fe",
            "q=%25_%5C",
            "title=%00",
            "rank_from=99999999999999999999999",
            "rank_from=-99999999999999999999999",
            "price_from=99999999999999",
        ],
    )
    def test_odd_query_values_never_break_it(self, notes, query):
        response = notes.as_user().get(f"/v1/notes?{query}")
        assert response.status_code in (200, 422), response.data

    def test_what_is_not_there(self, one):
        user = one.as_user()
        refused(user.get("/v1/nothing"), 404, "not-found")
        refused(user.get(f"/v1/notes/{new_id()}"), 404, "not-found")
        refused(user.get("/v1/notes/7"), 404, "not-found")

    def test_another_method_is_told_which_there_are(self, one):
        response = one.as_user().delete("/v1/notes")
        refused(response, 405, "method-not-allowed")
        assert {"GET", "POST"} <= {m.strip() for m in response.headers["Allow"].split(",")}

    @pytest.mark.parametrize("key", [None, "k"])
    def test_a_body_that_is_too_big_is_refused(self, one, key):
        response = one.as_user().post(
            "/v1/notes",
            data=b'{"title": "' + b"x" * 20_000_000 + b'"}',
            content_type="application/json",
            headers={"Idempotency-Key": key} if key else {},
        )
        refused(response, 413, "request-entity-too-large")

    def test_an_unexpected_fault_is_logged_and_not_told(self, notes, capsys):
        configure_logs("INFO")
        response = notes.as_user().post("/v1/faults", headers={"X-Correlation-ID": "visit-9"})
        problem = refused(response, 500, "internal")
        assert "swordfish" not in json.dumps(problem)
        entries = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
        (entry,) = [entry for entry in entries if entry["event"] == "request.failed"]
        assert "swordfish" in entry["exception"]
        assert entry["correlation_id"] == "visit-9"
        assert stored(notes) == []
        assert notes.published() == []

    def test_what_contradicts_the_database_is_a_conflict(self, notes):
        user = notes.as_user()
        assert user.post("/v1/notes", json={**NOTE, "external_id": "a"}).status_code == 201
        again = user.post("/v1/notes", json={**NOTE, "external_id": "a"})
        refused(again, 409, "conflict")
        refused(user.post("/v1/notes", json={**NOTE, "rank": -1}), 409, "conflict")
        assert len(notes.published()) == 1

    @pytest.mark.parametrize("given", ["", "x" * 65, "\x01"])
    def test_the_correlation_id_is_always_a_sensible_one(self, one, given):
        user = one.as_user()
        assert (
            user.get("/v1/notes", headers={"X-Correlation-ID": "order-7"}).headers[
                "X-Correlation-ID"
            ]
            == "order-7"
        )
        answer = user.get("/v1/notes", headers={"X-Correlation-ID": given})
        assert 0 < len(answer.headers["X-Correlation-ID"]) <= 64
        assert answer.headers["X-Correlation-ID"] != given

    def test_the_openapi_document_names_its_schemas(self, one):
        document = one.anonymous().get("/openapi.json").json
        assert {"NoteFields", "NoteFieldsChanges", "NoteView"} <= set(
            document["components"]["schemas"]
        )


def claims(**different: Any) -> dict[str, Any]:
    now = int(time.time())
    usual = {"iss": ISSUER, "aud": "crm-notes", "sub": new_id(), "iat": now, "exp": now + 60}
    return {**usual, "grants": {"*": "all"}, **different}


def signed(key: Any, algorithm: str = "Ed25519", kid: str | None = "test", **different: Any) -> str:
    header = {"alg": algorithm} | ({"kid": kid} if kid else {})
    return jwt.encode(header, claims(**different), key, algorithms=[algorithm])


def unsigned() -> str:
    def part(value: Any) -> str:
        return base64.urlsafe_b64encode(orjson.dumps(value)).decode().rstrip("=")

    return f"{part({'alg': 'none', 'kid': 'test'})}.{part(claims())}."


def signed_with_the_public_key(service: Harness) -> str:
    """The classic forgery: the public key taken for a shared secret."""
    public = service.signer.keys_file.read_bytes()
    return signed(OctKey.import_key(public), "HS256")


def tampered(service: Harness) -> str:
    head, _, signature = service.signer.token("crm-notes", sub="a").split(".")
    forged = base64.urlsafe_b64encode(orjson.dumps(claims(sub="b"))).decode().rstrip("=")
    return f"{head}.{forged}.{signature}"


class TestTokens:
    STRANGER = OKPKey.generate_key("Ed25519", {"kid": "test"}, auto_kid=False)
    BAD: dict[str, tuple[Callable[[Harness], str], str]] = {
        "malformed": (lambda s: "nonsense", "token-malformed"),
        "malformed parts": (lambda s: "a.b.c", "token-malformed"),
        "not ASCII": (lambda s: "é.é.é", "token-malformed"),
        "a list for a header": (lambda s: "W10.e30.", "token-malformed"),
        "expired": (lambda s: s.signer.token("crm-notes", -1, sub="a"), "token-expired"),
        "not yet valid": (
            lambda s: s.signer.token("crm-notes", sub="a", nbf=int(time.time()) + 600),
            "token-claims",
        ),
        "wrong audience": (lambda s: s.signer.token("crm-sales", sub="a"), "token-audience"),
        "for the gateway": (lambda s: s.signer.token("crm-gateway", sub="a"), "token-audience"),
        "wrong issuer": (
            lambda s: s.signer.token("crm-notes", sub="a", iss="somebody"),
            "token-claims",
        ),
        "no subject": (lambda s: s.signer.token("crm-notes"), "token-claims"),
        "no expiry": (lambda s: s.signer.token("crm-notes", sub="a", exp=None), "token-claims"),
        "HS256 with the public key": (signed_with_the_public_key, "token-algorithm"),
        "alg none": (lambda s: unsigned(), "token-algorithm"),
        "other key": (lambda s: signed(TestTokens.STRANGER), "token-signature"),
        "unknown kid": (lambda s: signed(TestTokens.STRANGER, kid="other"), "token-signature"),
        "no kid": (lambda s: signed(TestTokens.STRANGER, kid=None), "token-signature"),
        "changed claims": (tampered, "token-signature"),
    }

    @pytest.mark.parametrize("name", BAD)
    def test_each_bad_token_is_its_own_problem(self, one, name):
        make, code = self.BAD[name]
        for path in ("/v1/notes", "/v1/events/parked"):
            response = one.anonymous().get(
                path, headers={"Authorization": f"Bearer {make(one)}".encode().decode("latin-1")}
            )
            refused(response, 401, code)
            assert response.headers["WWW-Authenticate"].startswith("Bearer")

    @pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic YTpi", "token"])
    def test_no_token_is_a_problem_of_its_own(self, one, header):
        headers = {} if header is None else {"Authorization": header}
        refused(one.anonymous().get("/v1/notes", headers=headers), 401, "token-missing")

    def test_forged_identity_headers_are_nothing(self, one):
        headers = {"X-User-Id": new_id(), "X-Principal": "admin", "X-Roles": "admin"}
        refused(one.anonymous().get("/v1/notes", headers=headers), 401, "token-missing")

    def test_a_token_does_not_outlive_its_expiry_in_the_cache(self, one, wait_for):
        token = one.signer.token("crm-notes", 1.5, sub=new_id(), grants={"*": "all"})
        headers = {"Authorization": f"Bearer {token}"}
        client = one.anonymous()
        assert client.get("/v1/notes", headers=headers).status_code == 200
        wait_for(lambda: client.get("/v1/notes", headers=headers).status_code == 401)
        refused(client.get("/v1/notes", headers=headers), 401, "token-expired")

    def test_a_permission_that_is_not_granted_is_forbidden(self, one):
        reader = one.as_user({"notes.notes.read": "all"})
        assert reader.get("/v1/notes").status_code == 200
        problem = refused(reader.post("/v1/notes", json=NOTE), 403, "forbidden")
        assert "notes.notes.write" in problem["detail"]

    @pytest.mark.parametrize(
        ("pattern", "allowed"),
        [("*", True), ("notes.*", True), ("notes.notes.*", True), ("sales.*", False)],
    )
    def test_wildcards_grant_what_is_below_them(self, one, pattern, allowed):
        answer = one.as_user({pattern: "all"}).get("/v1/notes")
        assert (answer.status_code == 200) == allowed

    def test_a_key_that_was_rotated_in_is_picked_up(self, tmp_path, monkeypatch):
        monkeypatch.setattr("crm_chassis.tokens._KEYS_AGE_SECONDS", 0.0)
        signer = Signer(tmp_path)
        verifier = TokenVerifier(KeySource(str(signer.keys_file)).keys, "crm-notes", principal_of)
        assert verifier.verify(signer.token("crm-notes", sub="a")).id == "a"
        fresh = OKPKey.generate_key("Ed25519", {"kid": "fresh"}, auto_kid=False)
        with pytest.raises(Problem, match="signature"):
            verifier.verify(signed(fresh, kid="fresh", sub="b"))
        signer.keys_file.write_bytes(orjson.dumps(KeySet([fresh]).as_dict(private=False)))
        assert verifier.verify(signed(fresh, kid="fresh", sub="b")).id == "b"
        with pytest.raises(Problem, match="signature"):
            verifier.verify(signer.token("crm-notes", sub="c"))

    def test_unknown_kids_do_not_have_the_keys_read_each_time(self, tmp_path):
        signer = Signer(tmp_path)
        verifier = TokenVerifier(KeySource(str(signer.keys_file)).keys, "crm-notes", principal_of)
        verifier.verify(signer.token("crm-notes", sub="a"))
        signer.keys_file.unlink()
        with pytest.raises(Problem) as refusal:
            verifier.verify(signed(self.STRANGER, kid="other"))
        assert refusal.value.code == "token-signature"

    @pytest.mark.parametrize("location", ["file", "address", "broken file"])
    def test_keys_that_cannot_be_read_are_not_the_callers_fault(self, tmp_path, location):
        (tmp_path / "broken").write_text('{"keys": [')
        source = KeySource(
            {
                "file": str(tmp_path / "none"),
                "address": f"http://127.0.0.1:{free_port()}/keys",
                "broken file": str(tmp_path / "broken"),
            }[location]
        )
        with pytest.raises(Problem) as refusal:
            TokenVerifier(source.keys, "crm-notes", principal_of).verify(signed(self.STRANGER))
        assert (refusal.value.status, refusal.value.code) == (503, "keys-away")


class TestIdempotency:
    def test_sent_twice_it_is_done_once_and_answered_alike(self, notes):
        user = notes.as_user()
        first, again = (
            user.post("/v1/notes", json=NOTE, headers={"Idempotency-Key": "k"}) for _ in range(2)
        )
        assert (again.status_code, again.data) == (first.status_code, first.data)
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.content_type == first.content_type
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers
        assert len(stored(notes)) == len(notes.published()) == 1

    def test_sent_by_many_at_once_it_is_done_once_and_answered_alike(self, notes, at_once):
        user = notes.as_user()
        headers = {"Idempotency-Key": "k"}
        answers = at_once(lambda: user.post("/v1/notes", json=NOTE, headers=headers), 12)
        assert {answer.status_code for answer in answers} == {201}
        assert len({answer.data for answer in answers}) == 1
        assert len(stored(notes)) == len(notes.published()) == 1

    def test_the_key_is_for_one_request_only(self, notes):
        user = notes.as_user()
        user.post("/v1/notes", json=NOTE, headers={"Idempotency-Key": "k"})
        other = user.post("/v1/notes", json={"title": "b"}, headers={"Idempotency-Key": "k"})
        refused(other, 422, "key-reused")
        assert len(stored(notes)) == 1

    def test_the_key_is_the_principals_own(self, notes):
        answers = [
            notes.as_user().post("/v1/notes", json=NOTE, headers={"Idempotency-Key": "k"})
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert len(stored(notes)) == 2

    @pytest.mark.parametrize(
        ("path", "body", "status"),
        [("/v1/faults", None, 500), ("/v1/notes", {**NOTE, "rank": -1}, 409)],
    )
    def test_a_failed_request_frees_its_key(self, notes, path, body, status):
        user, headers = notes.as_user(), {"Idempotency-Key": "k"}
        assert user.post(path, json=body, headers=headers).status_code == status
        assert user.post("/v1/notes", json=NOTE, headers=headers).status_code == 201
        assert len(stored(notes)) == 1

    def test_a_key_that_is_too_long_is_refused(self, one):
        response = one.as_user().post(
            "/v1/notes", json=NOTE, headers={"Idempotency-Key": "k" * 201}
        )
        refused(response, 422, "invalid")
        assert problem_fields(response) == ["Idempotency-Key"]


class TestVersions:
    def test_a_change_needs_the_version_that_was_seen(self, notes):
        user = notes.as_user()
        note = user.post("/v1/notes", json=NOTE)
        path = f"/v1/notes/{note.json['id']}"
        assert note.headers["ETag"] == user.get(path).headers["ETag"] == '"1"'
        refused(user.patch(path, json={"title": "b"}), 428, "version-missing")
        for tag in ('"7"', "x", "", "*", '"1", "2"', '"-1"', "٣", "²", "9" * 5000):
            response = user.patch(path, json={"title": "b"}, headers={"If-Match": tag})
            refused(response, 412, "changed-meanwhile")
        changed = user.patch(path, json={"title": "b"}, headers={"If-Match": '"1"'})
        assert (changed.status_code, changed.headers["ETag"]) == (200, '"2"')
        assert changed.json["version"] == 2

    def test_a_change_of_nothing_is_no_change(self, notes):
        user = notes.as_user()
        path = f"/v1/notes/{user.post('/v1/notes', json=NOTE).json['id']}"
        answer = user.patch(path, json={"title": NOTE["title"]}, headers={"If-Match": '"1"'})
        assert answer.headers["ETag"] == '"1"'
        assert len(notes.published()) == 1

    def test_of_50_edits_of_one_version_one_is_let_through(self, notes, at_once):
        user = notes.as_user()
        path = f"/v1/notes/{user.post('/v1/notes', json=NOTE).json['id']}"
        titles = iter(range(50))

        def edit() -> int:
            response = user.patch(
                path, json={"title": f"{next(titles)}"}, headers={"If-Match": '"1"'}
            )
            assert response.content_type in ("application/json", "application/problem+json")
            return response.status_code

        assert sorted(at_once(edit, 50)) == [200] + [412] * 49
        assert user.get(path).json["version"] == 2
        assert [event.sequence for event in notes.published()] == [1, 2]


def test_nothing_that_was_refused_left_a_trace(notes):
    """Of a request that fails at its very end nothing is kept: row, event, key."""
    user = notes.as_user()
    user.post("/v1/faults", headers={"Idempotency-Key": "k"})
    with notes.service.database.reading() as session:
        for table in ("notes", "event_log", "outbox", "idempotency_keys"):
            assert session.scalar(select(func.count()).select_from(named(table))) == 0
