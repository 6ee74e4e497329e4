"""Comments and mentions: read by those who see the thing, changed by their author."""

import pytest

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields

RIGHTS = {"sales.opportunities.*": "own", "sales.comments.*": "own"}


def colleague(sales: Harness, rights: dict | None = None, active: bool = True) -> Caller:
    caller = sales.as_user(rights, team=new_id())
    sales.deliver(
        event(
            "crm.gateway.user.created.v1",
            {"id": caller.id, "name": "李娜", "team_id": None, "active": active},
        )
    )
    return caller


def deal(rep: Caller) -> str:
    body = {"name": "张伟", "amount": "100", "currency": "CNY"}
    return rep.post("/v1/opportunities", json=body).json["id"]


def say(rep: Caller, about: str, text: str = "请看报价", *mentions: str) -> dict:
    body = {"related_type": "opportunity", "related_id": about, "text": text}
    response = rep.post("/v1/comments", json={**body, "mentions": list(mentions)})
    assert response.status_code == 201, response.json
    return response.json


def read(rep: Caller, about: str) -> list[str]:
    path = f"/v1/comments?related_type=opportunity&related_id={about}"
    return [comment["text"] for comment in rep.get(path).json["items"]]


def test_what_was_said_is_read_in_order_changed_and_taken_back(anywhere: Harness) -> None:
    rep = colleague(anywhere)
    about = deal(rep)
    first, second = say(rep, about, "一"), say(rep, about, "二\n<b>2</b> '; --")
    assert read(rep, about) == ["一", "二\n<b>2</b> '; --"]
    path = f"/v1/comments/{first['id']}"
    changed = rep.put(path, json={"text": "壹"}, headers={"If-Match": '"1"'})
    assert changed.json["edited_at"] is not None
    assert rep.put(path, json={"text": "x"}, headers={"If-Match": '"1"'}).status_code == 412
    gone = rep.delete(f"/v1/comments/{second['id']}", headers={"If-Match": '"1"'})
    assert gone.status_code == 204
    assert read(rep, about) == ["壹"]
    told = [event for event in anywhere.published() if ".comment." in event.type]
    assert [each.type.split(".")[3] for each in told] == ["made", "made", "changed", "withdrawn"]
    assert (told[-1].data["text"], told[-1].sequence) == (None, 2)
    tag = {"If-Match": '"2"'}
    assert rep.delete(f"/v1/comments/{second['id']}", headers=tag).status_code == 404


def test_only_its_author_changes_a_comment(sales: Harness) -> None:
    rep, manager = colleague(sales), colleague(sales)
    path, tag = f"/v1/comments/{say(rep, deal(rep))['id']}", {"If-Match": '"1"'}
    assert manager.put(path, json={"text": "x"}, headers=tag).status_code == 403
    assert manager.delete(path, headers=tag).status_code == 403


def test_comments_are_seen_with_the_thing(sales: Harness) -> None:
    rep, other = colleague(sales, RIGHTS), colleague(sales, RIGHTS)
    about = deal(rep)
    comment = say(rep, about)
    path = f"/v1/comments?related_type=opportunity&related_id={about}"
    assert other.get(path).status_code == 404
    assert other.get(f"/v1/comments?related_type=lead&related_id={about}").status_code == 404
    body = {"related_type": "opportunity", "related_id": about, "text": "x"}
    assert problem_fields(other.post("/v1/comments", json=body)) == ["related_id"]
    tag = {"If-Match": '"1"'}
    assert other.delete(f"/v1/comments/{comment['id']}", headers=tag).status_code == 404


def test_a_mention_is_read_once_and_gives_no_right(sales: Harness) -> None:
    rep, reader, stranger = colleague(sales), colleague(sales), colleague(sales, RIGHTS)
    about = deal(rep)
    say(rep, about, "@两位", reader.id, stranger.id)
    assert stranger.get("/v1/mentions").json["items"] == []
    (mention,) = reader.get("/v1/mentions?read=false").json["items"]
    assert (mention["text"], mention["author_id"]) == ("@两位", rep.id)
    path = f"/v1/mentions/{mention['id']}"
    assert stranger.put(path, json={"read": True}).status_code == 404
    assert rep.put(path, json={"read": True}).status_code == 404
    marked = reader.put(path, json={"read": True}).json
    assert marked["read_at"] is not None
    assert reader.put(path, json={"read": True}).json == marked
    assert reader.get("/v1/mentions?read=false").json["items"] == []
    assert len(reader.get("/v1/mentions?read=true").json["items"]) == 1
    assert reader.put(path, json={"read": False}).json["read_at"] is None


def test_who_is_mentioned_follows_the_text(sales: Harness) -> None:
    rep, first, second = colleague(sales), colleague(sales), colleague(sales)
    comment = say(rep, deal(rep), "@一", first.id, first.id)
    assert comment["mentions"] == [first.id]
    (mention,) = first.get("/v1/mentions").json["items"]
    first.put(f"/v1/mentions/{mention['id']}", json={"read": True})
    path = f"/v1/comments/{comment['id']}"
    both = {"text": "@一 @二", "mentions": [second.id, first.id]}
    assert rep.put(path, json=both, headers={"If-Match": '"1"'}).status_code == 200
    assert first.get("/v1/mentions?read=false").json["items"] == []
    assert len(second.get("/v1/mentions?read=false").json["items"]) == 1
    assert rep.delete(path, headers={"If-Match": '"2"'}).status_code == 204
    assert second.get("/v1/mentions").json["items"] == []


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"text": " "}, "text"),
        ({"text": "x" * 4001}, "text"),
        ({"mentions": [new_id()]}, "mentions"),
        ({"mentions": ["李娜"]}, "mentions.0"),
        ({"mentions": [new_id() for _ in range(21)]}, "mentions"),
        ({"related_type": "user"}, "related_type"),
        ({"author_id": new_id()}, "author_id"),
    ],
)
def test_what_is_wrong_with_a_comment_is_named(sales: Harness, values: dict, field: str) -> None:
    rep = colleague(sales)
    body = {"related_type": "opportunity", "related_id": deal(rep), "text": "x", **values}
    assert problem_fields(rep.post("/v1/comments", json=body)) == [field]


def test_who_has_left_is_not_mentioned(sales: Harness) -> None:
    rep, gone = colleague(sales), colleague(sales, active=False)
    body = {"related_type": "opportunity", "related_id": deal(rep), "text": "x"}
    refused = rep.post("/v1/comments", json={**body, "mentions": [gone.id]})
    assert problem_fields(refused) == ["mentions"]
