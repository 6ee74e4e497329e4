"""What leads are converted into comes to be once, in whatever order it is told."""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event
from crm_contracts import catalogue
from crm_customer.app import create_app

LIFE_CYCLE_MOVED = "crm.customer.lifecycle.moved.v1"
CONVERTED = "crm.sales.lead.converted.v1"


def conversion(account_id: str | None = None, **lead: Any) -> Event:
    """A lead's conversion, into an account of its own or into one that is there."""
    example = catalogue().contract(CONVERTED).example["data"]
    data = {**example, **lead, "id": new_id(), "account_id": account_id or new_id()}
    data["contact_id"] = new_id()
    facts = {"source": data["source"], "owner_id": data["owner_id"], "team_id": data["team_id"]}
    data["change"] = {
        **example["change"],
        "account": {
            "id": data["account_id"],
            "name": data["company"] or data["name"],
            "industry": data["industry"],
            "region": data["region"],
            **facts,
        },
        "contact": {
            "id": data["contact_id"],
            "account_id": data["account_id"],
            **{name: data[name] for name in ("name", "job_title", "phone", "email")},
            **facts,
        },
    }
    return event(CONVERTED, data)


def state(customer: Harness) -> dict[str, list[dict[str, Any]]]:
    times = {"created_at", "updated_at"}
    return {
        resource: sorted(
            (
                {name: value for name, value in item.items() if name not in times}
                for item in customer.as_user().get(f"/v1/{resource}?limit=200").json["items"]
            ),
            key=lambda item: item["id"],
        )
        for resource in ("accounts", "contacts")
    }


def test_a_conversion_makes_the_account_and_the_contact_with_the_ids_it_says(
    customer: Harness,
) -> None:
    converted = conversion(name="王芳", company="明光", converted_on="2026-09-14")
    customer.deliver(converted)
    customer.deliver(converted)
    ((account,), (contact,)) = state(customer).values()
    assert (account["id"], contact["id"]) == (
        converted.data["account_id"],
        converted.data["contact_id"],
    )
    assert (account["name"], account["kind"], account["industry"]) == (
        "明光",
        "business",
        "manufacturing",
    )
    assert (contact["name"], contact["account_id"]) == ("王芳", account["id"])
    assert contact["phones"] == ["+8613905550142"]
    assert contact["emails"] == ["wang.fang@brightoptics.example"]
    for made in (account, contact):
        assert made["created_on"] == "2026-09-14"
        assert made["owner_id"] == converted.data["owner_id"]
        assert made["team_id"] == converted.data["team_id"]


def test_it_is_told_as_caused_by_the_conversion(customer: Harness) -> None:
    converted = conversion()
    customer.deliver(converted, conversion())
    told = customer.published()
    assert len(told) == 4
    mine = [each for each in told if each.causationid == converted.id]
    assert {each.type for each in mine} == {
        "crm.customer.account.created.v1",
        "crm.customer.contact.created.v1",
    }
    assert {each.correlationid for each in mine} == {converted.correlationid}


def test_a_lead_without_a_company_phone_and_email_is_a_consumer(customer: Harness) -> None:
    customer.deliver(conversion(name="李雷", company=None, phone=None, email=None))
    ((account,), (contact,)) = state(customer).values()
    assert (account["name"], account["kind"]) == ("李雷", "consumer")
    assert (contact["phones"], contact["emails"]) == ([], [])


def test_an_account_that_is_there_stays_as_it_is(customer: Harness) -> None:
    account = customer.as_user().post("/v1/accounts", json={"name": "明光", "level": "A"}).json
    customer.deliver(conversion(account["id"], company="Minguang"))
    ((after,), (contact,)) = state(customer).values()
    assert (after["name"], after["level"], after["version"]) == ("明光", "A", 1)
    assert contact["account_id"] == account["id"]
    assert len(customer.published("crm.customer.account.created.v1")) == 1


def test_two_leads_into_one_account_make_it_as_the_earlier_tells(customer: Harness) -> None:
    first = conversion(company="First")
    second = conversion(first.data["account_id"], company="Second")
    second = replace(second, time=first.time + timedelta(seconds=1))
    customer.deliver(second, first)
    accounts, contacts = state(customer).values()
    assert [account["name"] for account in accounts] == ["First"]
    assert len(contacts) == 2


def test_a_fault_in_one_conversion_does_not_spoil_its_neighbours(customer: Harness) -> None:
    broken = conversion()
    broken = replace(broken, data={**broken.data, "converted_on": "someday"})
    fine = conversion()
    customer.deliver(broken, fine)
    ((account,), (contact,)) = state(customer).values()
    assert account["id"] == fine.data["account_id"]
    assert contact["id"] == fine.data["contact_id"]
    parked = customer.as_user().get("/v1/events/parked").json["items"]
    assert [each["event_id"] for each in parked] == [broken.id]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32), count=st.integers(1, 6))
def test_order_duplicates_and_batches_make_no_difference(
    tmp_path_factory: Any, seed: int, count: int
) -> None:
    events = [conversion(name=f"Lead {number}") for number in range(count)]
    shuffled = random.Random(seed).sample(events * 2, count * 2)
    cut = seed % (count * 2)
    outcomes = []
    for batches in ([events], [shuffled[:cut], shuffled[cut:]]):
        folder: Path = tmp_path_factory.mktemp("customer")
        customer = Harness(create_app, "customer", folder)
        for batch in batches:
            if batch:
                customer.deliver(*batch)
        outcomes.append(state(customer))
        assert len(customer.published()) == 2 * count
        customer.close()
    assert outcomes[0] == outcomes[1]


def test_the_life_cycle_of_one_who_is_yet_to_come_waits_for_whose_it_is(customer: Harness) -> None:
    converted = conversion(converted_on="2026-09-14")
    opened = catalogue().contract("crm.sales.opportunity.opened.v1").example["data"]
    customer.deliver(
        event(
            "crm.sales.opportunity.opened.v1",
            {
                **opened,
                "id": new_id(),
                "account_id": converted.data["account_id"],
                "contact_id": None,
                "opened_on": "2026-09-14",
            },
        )
    )
    assert customer.published() == []
    customer.deliver(converted)
    moved = [each for each in customer.published() if each.type == LIFE_CYCLE_MOVED]
    assert [(each.subject, each.data["stage"], each.data["owner_id"]) for each in moved] == [
        (converted.data["account_id"], "intent", converted.data["owner_id"])
    ]
