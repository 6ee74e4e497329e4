"""From an event's id: where it was made and published, who consumed it, and with what effect."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from crm_client import event_traces
from crm_client.event_traces import EventTrace
from crm_local.testing import Person, Running

READ = "events.read"


def convert(admin: Person) -> dict[str, Any]:
    """A lead that becomes an account, a contact and an opportunity."""
    lead = admin.post("sales/v1/leads", {"name": "王小明", "company": "Traced Ltd"})
    body = {"amount": "100.00", "currency": "EUR"}
    return admin.post(f"sales/v1/leads/{lead['id']}/conversion", body)


def outcomes(event: EventTrace) -> dict[str, str]:
    """Service to what became of the event there."""
    return {
        name: known["received"]["outcome"]
        for name, known in event.answers.items()
        if known["received"]
    }


def test_a_conversion_is_traced_through_sales_customer_and_reporting(
    platform: Running, admin: Person, eventually: Callable[..., Any]
) -> None:
    made = convert(admin)
    subject = f"sales/v1/events?subject={made['lead_id']}&type=crm.sales.lead.converted.v1"
    (event,) = admin.get(subject)["items"]
    client = platform.client()

    def trace() -> EventTrace:
        return event_traces.trace(client, event["id"])

    eventually(lambda: outcomes(trace()), {"customer": "applied", "reporting": "applied"})
    eventually(lambda: {each.producer for each in trace().caused}, {"customer"})
    found = trace()
    assert found.producer == "sales"
    assert found.answers["sales"]["published"]["confirmed_at"] >= event["recorded_at"]
    tables = {effect["table"]: effect for effect in effects(found)}
    assert tables["leads"] == {
        "table": "leads",
        "key": made["lead_id"],
        "state": "stands",
        "counted_in": ["leads"],
    }
    assert tables["lead_moves"]["counted_in"] == ["status_times"]
    created = {each.answers["customer"]["made"]["type"] for each in found.caused}
    assert "crm.customer.account.created.v1" in created
    for each in found.caused:
        assert each.answers["customer"]["made"]["causation_id"] == event["id"]
        assert each.answers["customer"]["made"]["correlation_id"] == event["correlation_id"]
        eventually(lambda below=each.event_id: reached(client, below), "applied")


def effects(event: EventTrace) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = event.answers["reporting"]["received"]["effects"]
    return found


def reached(client: Any, event_id: str) -> str | None:
    return outcomes(event_traces.trace(client, event_id)).get("reporting")


def test_an_asker_without_the_right_at_a_service_is_told_of_the_others(
    platform: Running, admin: Person
) -> None:
    made = convert(admin)
    (event,) = admin.get(f"sales/v1/events?subject={made['opportunity_id']}")["items"]
    asker = platform.register("On duty", {f"sales.{READ}": "all", f"gateway.{READ}": "all"})
    assert asker.get(f"sales/v1/events/{event['id']}")["made"]["type"] == event["type"]
    assert asker.get(f"identity/v1/events/{event['id']}")["made"] is None
    refused = asker.send("GET", f"reporting/v1/events/{event['id']}")
    assert refused.status == 403
    assert "reporting.events.read" in refused.json()["detail"]


def test_the_gateways_own_events_are_traced(platform: Running, admin: Person) -> None:
    team = platform.found_team("Traced team")
    (event,) = admin.get(f"identity/v1/events?subject={team}")["items"]
    found = event_traces.trace(platform.client(), event["id"])
    assert found.producer == "gateway"
    assert "reporting" in found.consumers
