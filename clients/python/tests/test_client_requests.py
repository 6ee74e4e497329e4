"""The API client against a server that fails as real ones do."""

from __future__ import annotations

import pytest

from crm_client import Client, PasswordGrant
from crm_client.errors import (
    ConflictError,
    InvalidError,
    NotFoundError,
    NotSignedInError,
    ProblemError,
    RateLimitedError,
    StaleError,
    UnauthenticatedError,
    UnavailableError,
    UnexpectedAnswerError,
    UnreachableError,
    VersionRequiredError,
)
from crm_client.resources import UnknownResourceError

LEADS = "/api/sales/v1/leads"


def test_a_post_whose_answer_is_lost_is_sent_again_with_the_same_key(platform, client):
    platform.fail_next(f"after POST {LEADS}", platform.hang_up())

    created = client.create("leads", {"name": "王芳", "status": "new"})

    sent = platform.asked("POST", LEADS)
    assert len(sent) == 2
    assert sent[0].headers["Idempotency-Key"] == sent[1].headers["Idempotency-Key"]
    assert sent[0].body == sent[1].body
    assert [lead["name"] for lead in platform.leads] == ["王芳"]
    assert created == platform.leads[0]


def test_two_posts_have_different_keys_unless_the_caller_gives_one(platform, client):
    client.create("leads", {"name": "a", "status": "new"})
    client.create("leads", {"name": "a", "status": "new"})
    assert len(platform.leads) == 2
    client.create("leads", {"name": "b", "status": "new"}, idempotency_key="order-7")
    client.create("leads", {"name": "b", "status": "new"}, idempotency_key="order-7")
    assert len(platform.leads) == 3


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_what_may_be_repeated_is_repeated_while_the_service_is_away(platform, client, status):
    platform.fail_next(f"POST {LEADS}", platform.problem(status), platform.problem(status))
    client.create("leads", {"name": "a", "status": "new"})
    assert len(platform.asked("POST", LEADS)) == 3
    assert len(platform.leads) == 1


def test_a_change_that_may_have_been_made_is_not_sent_again(platform, client):
    record = client.read("accounts", "1")
    platform.fail_next("PATCH .*", platform.hang_up())
    with pytest.raises(UnreachableError, match="gave no complete answer"):
        client.change(record, {"name": "Beta"})
    assert len(platform.asked("PATCH", "/api/customer/v1/accounts/1")) == 1


def test_a_service_that_stays_away_is_told_in_the_end(platform):
    client = Client(platform.url, grant=PasswordGrant("li.na@example.com", "正确的马"), repeats=1)
    platform.fail_next(f"GET {LEADS}", platform.problem(503), platform.problem(503))
    with pytest.raises(UnavailableError):
        client.get(LEADS)


def test_nobody_at_the_address(free_address):
    with pytest.raises(UnreachableError, match="refused"):
        Client(free_address, grant=PasswordGrant("a", "b"), repeats=0).get(LEADS)


@pytest.mark.parametrize("address", ["crm.example.com", "ftp://crm.example.com", "https://", ""])
def test_an_address_that_is_none(address):
    with pytest.raises(ValueError, match="is no address such as"):
        Client(address)


def test_every_invalid_field_is_named(platform, client):
    errors = [
        {"field": "amount", "detail": "Not a valid decimal."},
        {"field": "lines.2.name", "detail": "Missing data for required field."},
    ]
    platform.fail_next(f"POST {LEADS}", platform.problem(422, errors=errors, trace_id="ab12"))

    with pytest.raises(InvalidError) as caught:
        client.create("leads", {})

    assert [(error.field, error.detail) for error in caught.value.errors] == [
        ("amount", "Not a valid decimal."),
        ("lines.2.name", "Missing data for required field."),
    ]
    text = str(caught.value)
    assert "422" in text
    assert "amount: Not a valid decimal." in text
    assert "lines.2.name: Missing data for required field." in text
    assert "trace ab12" in text


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotFoundError), (409, ConflictError), (428, VersionRequiredError), (418, ProblemError)],
)
def test_each_status_has_its_exception(platform, client, status, kind):
    platform.fail_next(f"GET {LEADS}", platform.problem(status))
    with pytest.raises(kind) as caught:
        client.get(LEADS)
    assert caught.value.status == status


def test_a_refusal_without_problem_details_is_one_too(platform, client):
    platform.fail_next(f"GET {LEADS}", platform.plain(500))
    with pytest.raises(ProblemError, match="500 Internal Server Error"):
        client.get(LEADS)


def test_an_answer_that_is_not_json_is_told(platform, client):
    platform.replies[f"GET {LEADS}"] = platform.plain(
        200, "<h1>Welcome to the hotel</h1>", **{"Content-Type": "text/html"}
    )
    with pytest.raises(UnexpectedAnswerError, match="text/html"):
        client.get(LEADS)


def test_redirects_are_not_followed_with_a_token(platform, client):
    platform.fail_next(f"GET {LEADS}", platform.plain(302, Location="http://127.0.0.1:9/"))
    with pytest.raises(ProblemError, match="302"):
        client.get(LEADS)


def test_a_list_is_read_page_by_page(platform, client):
    platform.leads = [{"id": str(n), "status": "new"} for n in range(450)]
    assert [lead["id"] for lead in client.list("leads")] == [str(n) for n in range(450)]
    assert len(platform.asked("GET", LEADS)) == 3


def test_a_list_asks_for_no_more_than_is_wanted(platform, client):
    platform.leads = [{"id": str(n), "status": "new"} for n in range(450)]
    assert len(list(client.list("leads", limit=10))) == 10
    (asked,) = platform.asked("GET", LEADS)
    assert ("limit", "10") in asked.query


def test_filters_sorting_and_search_go_into_the_query(platform, client):
    list(client.list("leads", {"status": "new"}, sort="-created_at", search="北京"))
    (asked,) = platform.asked("GET", LEADS)
    assert {("status", "new"), ("sort", "-created_at"), ("q", "北京")} <= set(asked.query)


def test_a_resource_outside_the_table_is_named_with_its_service(platform, client):
    platform.replies["GET /api/sales/v1/pipelines"] = platform.page([{"id": "1"}])
    assert list(client.list("sales/pipelines")) == [{"id": "1"}]
    with pytest.raises(UnknownResourceError, match="sales/pipelines"):
        client.list("pipelines")


def test_a_change_carries_the_version_that_was_read(platform, client):
    first = client.read("accounts", "1")
    second = client.change(first, {"name": "Beta"})
    assert (second.data["name"], second.etag) == ("Beta", '"2"')
    with pytest.raises(StaleError):
        client.change(first, {"name": "Gamma"})
    assert platform.account["name"] == "Beta"


def test_a_move_carries_the_version_and_is_sent_once_however_often(platform, client):
    record = client.read("accounts", "1")
    platform.fail_next("after POST .*/merge", platform.hang_up())
    client.move(record, "merge", {"into": "2"})
    moves = platform.asked("POST", "/api/customer/v1/accounts/1/merge")
    assert [move.headers["If-Match"] for move in moves] == ['"1"', '"1"']
    assert platform.account["version"] == 2


def test_a_put_with_a_version_is_not_sent_again(platform, client):
    platform.fail_next("PUT .*", platform.hang_up())
    with pytest.raises(UnreachableError):
        client.put("/api/customer/v1/accounts/1", {"name": "Beta"}, if_match='"1"')
    assert len(platform.asked("PUT", "/api/customer/v1/accounts/1")) == 1


def test_an_update_decides_again_when_somebody_was_quicker(platform, client):
    decided = []

    def decide(account):
        decided.append(account["version"])
        if len(decided) == 1:
            platform.account |= {"version": 2, "region": "north"}
        return {"name": f"{account['name']}!"}

    record = client.update("accounts", "1", decide)
    assert decided == [1, 2]
    assert record.data == {"name": "Acme!", "region": "north", "version": 3}


def test_an_update_gives_up_at_last(platform, client):
    def decide(account):
        platform.account["version"] += 1
        return {"name": "x"}

    with pytest.raises(StaleError):
        client.update("accounts", "1", decide, attempts=3)
    assert len(platform.asked("PATCH", "/api/customer/v1/accounts/1")) == 3


def test_a_throttled_sign_in_is_told_at_once(platform, client):
    platform.fail_next("POST /api/auth/token", platform.problem(429, retry_after=600))
    with pytest.raises(RateLimitedError, match="Ask again in 600 s") as caught:
        client.get(LEADS)
    assert caught.value.retry_after == 600


def test_wrong_credentials(platform):
    client = Client(platform.url, grant=PasswordGrant("li.na@example.com", "wrong"))
    with pytest.raises(UnauthenticatedError, match="Wrong email or password"):
        client.get(LEADS)


def test_no_credentials_at_all(platform):
    with pytest.raises(NotSignedInError):
        Client(platform.url).get(LEADS)
    assert platform.requests == []
