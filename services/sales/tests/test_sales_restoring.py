"""Sales after a restore: numbers are not given twice, and what was void elsewhere is forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import delete, select

from crm_chassis.database import new_id
from crm_chassis.operations.reconcile import Seen
from crm_chassis.outbox import event_log
from crm_chassis.testing_harness import Caller, Harness, event
from crm_sales.replicas import accounts, campaigns

ACCOUNT = "crm.customer.account.created.v1"
CAMPAIGN = "crm.marketing.campaign.created.v1"


@pytest.fixture
def account(sales: Harness) -> str:
    """A customer that sales has heard of."""
    told = event(ACCOUNT, {"id": new_id()})
    sales.deliver(told)
    return told.subject


def order(caller: Caller, account: str) -> dict[str, Any]:
    line = {"product_name": "Pump", "quantity": "1", "unit_price": "10.00"}
    body = {"account_id": account, "currency": "EUR", "lines": [line]}
    answer = caller.post("/v1/orders", json=body)
    assert answer.status_code == 201, answer.json
    return dict(answer.json)


def seen(number: str) -> Seen:
    return Seen(
        id=new_id(),
        type="crm.sales.order.placed.v1",
        subject=new_id(),
        sequence=1,
        at="2026-11-22T01:00:00+00:00",
        by="reporting",
        actor="test",
        number=number,
    )


def reconcile(sales: Harness, *orphans: Seen, gap: int = 0) -> None:
    with sales.service.database.transaction() as session:
        sales.service.reconciliation.reconcile(session, orphans, gap=gap)


def serial(of: dict[str, Any]) -> int:
    return int(of["number"].rsplit("-", 1)[1])


@pytest.mark.parametrize(("number", "gap", "following"), [("SO-2026-000007", 0, 8), ("SO-1", 5, 7)])
def test_a_number_is_not_given_again(
    sales: Harness, account: str, number: str, gap: int, following: int
) -> None:
    caller = sales.as_user()
    assert serial(order(caller, account)) == 1
    reconcile(sales, seen(number), gap=gap)
    reconcile(sales, seen(number), gap=gap)
    assert serial(order(caller, account)) == following


def test_nothing_is_skipped_of_what_was_given_since(sales: Harness, account: str) -> None:
    caller = sales.as_user()
    for _ in range(3):
        order(caller, account)
    reconcile(sales, seen("SO-2026-000002"))
    assert serial(order(caller, account)) == 4


def test_customers_and_campaigns_that_are_gone_are_forgotten(sales: Harness) -> None:
    kept, gone = event(ACCOUNT, {"id": new_id()}), event(ACCOUNT, {"id": new_id()})
    campaign = event(CAMPAIGN, {"id": new_id()})
    sales.deliver(kept, gone, campaign)
    for producer, told in (("customer", [kept, gone]), ("marketing", [campaign])):
        events = [
            {
                "id": each.id,
                "type": each.type,
                "subject": each.subject,
                "sequence": each.sequence,
                "gone": each is not kept,
            }
            for each in told
        ]
        sales.deliver(event(f"crm.{producer}.events.voided.v1", {"events": events}))
    with sales.service.database.reading() as session:
        assert session.scalars(select(accounts.c.id)).all() == [kept.subject]
        assert session.scalars(select(campaigns.c.id)).all() == []


def test_what_was_lost_of_a_deal_is_told_anew(sales: Harness, account: str) -> None:
    caller = sales.as_user()
    deal = {"name": "Heat pumps", "account_id": account, "amount": "1.00", "currency": "EUR"}
    answer = caller.post("/v1/opportunities", json=deal)
    assert answer.status_code == 201, answer.json
    (opened,) = sales.published("crm.sales.opportunity.opened.v1")
    with sales.service.database.transaction() as session:
        session.execute(delete(event_log))
    reconcile(
        sales,
        Seen(
            id=opened.id,
            type=opened.type,
            subject=opened.subject,
            sequence=5,
            at="2026-11-22T01:00:00+00:00",
            by="customer",
        ),
    )
    (told,) = sales.published("crm.sales.opportunity.changed.v1")
    assert (told.subject, told.sequence, told.data["name"]) == (opened.subject, 6, "Heat pumps")
