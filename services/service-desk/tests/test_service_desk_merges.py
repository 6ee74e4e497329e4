"""Tickets follow their customers when those are merged, in whatever order it is told."""

import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crm_chassis.database import new_id
from crm_chassis.directory import find
from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event
from crm_service_desk.app import create_app
from crm_service_desk.replicas import accounts

DONE, UNDONE = "crm.customer.merge.done.v1", "crm.customer.merge.undone.v1"


def merge(survivor: str, merged: str, kind: str = "account", **facts: Any) -> tuple[Event, Event]:
    """A merge, and its end."""
    state = {"id": new_id(), "kind": kind, "survivor_id": survivor, "merged_id": merged, **facts}
    return (
        event(DONE, {**state, "status": "done"}, sequence=1),
        event(UNDONE, {**state, "status": "undone"}, sequence=2),
    )


def named(account: str, name: str) -> Event:
    return event("crm.customer.account.created.v1", {"id": account, "name": name})


def opened(desk: Harness, **values: Any) -> dict[str, Any]:
    values = {"subject": "No picture", "type": "question", **values}
    response = desk.as_user().post("/v1/tickets", json=values)
    assert response.status_code == 201, response.json
    return response.json


def read(desk: Harness, ticket: dict[str, Any]) -> dict[str, Any]:
    return desk.as_user().get(f"/v1/tickets/{ticket['id']}").json


def test_a_ticket_goes_to_the_survivor_is_told_of_and_comes_back(desk: Harness) -> None:
    kept, gone = new_id(), new_id()
    desk.deliver(named(kept, "Northwind"), named(gone, "Northwind Traders"))
    ticket = opened(desk, account_id=gone)
    done, undone = merge(kept, gone)
    desk.deliver(done)
    moved = read(desk, ticket)
    assert (moved["account_id"], moved["account_name"]) == (kept, "Northwind")
    (told,) = desk.published("crm.service-desk.ticket.changed.v1")
    assert (told.subject, told.sequence) == (ticket["id"], moved["version"])
    assert told.data["account_id"] == kept
    desk.deliver(undone)
    back = read(desk, ticket)
    assert (back["account_id"], back["account_name"]) == (gone, "Northwind Traders")
    assert len(desk.published("crm.service-desk.ticket.changed.v1")) == 2


def test_contacts_are_followed_too_and_a_later_ticket_at_once(desk: Harness) -> None:
    kept, gone = new_id(), new_id()
    done, _ = merge(kept, gone, "contact")
    desk.deliver(done)
    assert opened(desk, contact_id=gone)["contact_id"] == kept


def test_a_file_may_go_on_naming_the_merged_account(desk: Harness) -> None:
    kept, gone = new_id(), new_id()
    for account, key in ((kept, "ERP-1"), (gone, "ERP-2")):
        data = {"id": account, "external_id": key, "name": "Northwind"}
        desk.deliver(event("crm.customer.account.created.v1", data))
    done, _ = merge(kept, gone)
    desk.deliver(done)

    with desk.service.database.reading() as session:
        found = find(session, accounts, ["ERP-1", "ERP-2", "Northwind"])
    assert found == {"ERP-1": kept, "ERP-2": kept, "Northwind": kept}


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_order_duplicates_and_batches_make_no_difference(tmp_path_factory: Any, seed: int) -> None:
    chance = random.Random(seed)
    first, second, third = new_id(), new_id(), new_id()
    to_second, back = merge(second, first)
    to_third, _ = merge(third, second)
    events = [to_second, to_third, back, named(third, "Northwind")]
    folder: Path = tmp_path_factory.mktemp("desk")
    desk = Harness(create_app, "service-desk", folder)
    tickets = [opened(desk, account_id=account) for account in (first, second)]
    shuffled = chance.sample(events * 2, len(events) * 2)
    cut = chance.randint(1, len(shuffled) - 1)
    desk.deliver(*shuffled[:cut])
    tickets += [opened(desk, account_id=account) for account in (first, second)]
    desk.deliver(*shuffled[cut:])
    assert [read(desk, ticket)["account_id"] for ticket in tickets] == [first, third] * 2
    desk.close()
