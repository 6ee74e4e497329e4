"""An offer: priced, sent, revised, accepted into an order, or left to expire."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import update

from crm_chassis.database import new_id, utc_now
from crm_chassis.scheduler import timers
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import create_app

TODAY = utc_now().date()
LINES = [
    {"product_name": "安装服务", "quantity": "2", "unit_price": "1200.00", "tax_rate": "13"},
    {"product_name": "Cable", "quantity": "0.5", "unit_price": "9.99", "discount_percent": "10"},
]


def account(sales: Harness, **data: Any) -> str:
    told = event("crm.customer.account.created.v1", {"id": new_id()} | data)
    sales.deliver(told)
    return told.subject


CUSTOMER = new_id()


@pytest.fixture(autouse=True)
def _customer(sales: Harness) -> None:
    account(sales, id=CUSTOMER)


def draft(who: Caller, **values: Any) -> dict[str, Any]:
    usual = {"currency": "CNY", "lines": LINES, "account_id": CUSTOMER}
    answer = who.post("/v1/quotes", json=usual | values)
    assert answer.status_code == 201, answer.json
    return answer.json


def act(who: Caller, quote: dict[str, Any], what: str, **body: Any) -> Any:
    headers = {"If-Match": f'"{quote["version"]}"'}
    return who.post(f"/v1/quotes/{quote['id']}/{what}", headers=headers, json=body)


def sent(who: Caller, **values: Any) -> dict[str, Any]:
    answer = act(who, draft(who, **values), "send")
    assert answer.status_code == 200, answer.json
    return answer.json


def let_time_pass(sales: Harness) -> None:
    with sales.service.database.transaction() as session:
        session.execute(update(timers).values(due_at=utc_now() - timedelta(seconds=1)))
    while sales.service.scheduler.step():
        pass


def test_a_draft_is_priced_line_by_line(sales: Harness) -> None:
    quote = draft(sales.as_user())
    assert [line["total"] for line in quote["lines"]] == ["2712.00", "4.50"]
    assert (quote["subtotal"], quote["discount"]) == ("2405.00", "0.50")
    assert (quote["tax"], quote["total"]) == ("312.00", "2716.50")
    assert (quote["status"], quote["version_number"]) == ("draft", 1)
    assert quote["number"].startswith(f"QU-{TODAY.year}-")


def test_a_product_brings_its_name_and_list_price_in_its_own_currency(sales: Harness) -> None:
    who = sales.as_user()
    product = who.post(
        "/v1/products", json={"name": "GTX Pro", "list_price": "4821.00", "currency": "USD"}
    ).json
    line = {"product_id": product["id"], "quantity": "3"}
    quote = draft(who, currency="USD", lines=[line])
    assert quote["lines"][0]["product_name"] == "GTX Pro"
    assert quote["total"] == "14463.00"
    answer = who.post("/v1/quotes", json={"currency": "EUR", "lines": [line]})
    assert (answer.status_code, problem_fields(answer)) == (422, ["lines.0.unit_price"])


def test_an_opportunity_brings_its_customer_currency_and_owner(sales: Harness) -> None:
    rep, manager = sales.as_user(), sales.as_user()
    deal = rep.post(
        "/v1/opportunities",
        json={"name": "大单", "amount": "10", "currency": "EUR", "account_id": account(sales)},
    ).json
    quote = manager.post("/v1/quotes", json={"opportunity_id": deal["id"]})
    assert quote.status_code in (201, 422), quote.json
    own = rep.post("/v1/quotes", json={"opportunity_id": deal["id"]}).json
    assert (own["currency"], own["account_id"]) == ("EUR", deal["account_id"])
    assert own["owner_id"] == deal["owner_id"]


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"currency": None}, "currency"),
        ({"account_id": new_id()}, "account_id"),
        ({"contact_id": new_id()}, "contact_id"),
        ({"opportunity_id": new_id()}, "opportunity_id"),
        ({"lines": [{"quantity": "1", "unit_price": "1"}]}, "lines.0.product_name"),
        ({"lines": [{"product_name": "x"}]}, "lines.0.unit_price"),
        ({"lines": [{"product_id": new_id()}]}, "lines.0.product_id"),
        ({"lines": [LINES[0] | {"quantity": "0"}]}, "lines.0.quantity"),
        ({"lines": [LINES[0] | {"discount_percent": "101"}]}, "lines.0.discount_percent"),
        ({"lines": [LINES[0] | {"unit_price": "-1"}]}, "lines.0.unit_price"),
        ({"lines": [LINES[0] | {"unit_price": 12}]}, "lines.0.unit_price"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named(sales: Harness, values: dict[str, Any], field: str) -> None:
    answer = sales.as_user().post("/v1/quotes", json={"currency": "EUR", "lines": []} | values)
    assert (answer.status_code, problem_fields(answer)) == (422, [field])
    assert sales.published("crm.sales.quote.created.v1") == []


def test_a_role_lets_off_no_more_than_its_limit(sales: Harness) -> None:
    admin = sales.as_user()
    answer = admin.put(
        "/v1/discount-limits/sales_rep", json={"max_percent": "5.00"}, headers={"If-Match": '"0"'}
    )
    assert answer.status_code == 200, answer.json
    answer = admin.post("/v1/quotes", json={"currency": "CNY", "lines": LINES})
    assert (answer.status_code, problem_fields(answer)) == (422, ["lines.1.discount_percent"])
    assert draft(admin, lines=LINES[:1])["total"] == "2712.00"


def test_acceptance_places_one_order_for_what_was_offered(sales: Harness) -> None:
    who = sales.as_user()
    quote = sent(who, account_id=account(sales))
    answer = act(who, quote, "accept")
    assert answer.status_code == 200, answer.json
    assert answer.json["status"] == "accepted"
    order = who.get(f"/v1/orders/{answer.json['order_id']}").json
    assert (order["total"], order["quote_id"]) == (quote["total"], quote["id"])
    assert (order["account_id"], order["owner_id"]) == (quote["account_id"], quote["owner_id"])
    assert len(sales.published("crm.sales.order.placed.v1")) == 1
    assert act(who, quote, "accept").status_code == 412
    assert act(who, answer.json, "accept").status_code == 409
    assert len(sales.published("crm.sales.order.placed.v1")) == 1


def test_a_draft_and_an_empty_quote_cannot_be_accepted_or_sent(sales: Harness) -> None:
    who = sales.as_user()
    assert act(who, draft(who), "accept").status_code == 409
    assert act(who, draft(who, lines=[]), "send").status_code == 409
    assert act(who, draft(who, account_id=None), "send").status_code == 409


def test_a_sent_quote_is_changed_by_its_next_version_only(sales: Harness) -> None:
    who = sales.as_user()
    quote = sent(who)
    path, headers = f"/v1/quotes/{quote['id']}", {"If-Match": f'"{quote["version"]}"'}
    assert who.patch(path, json={"terms": "x"}, headers=headers).status_code == 409
    answer = act(who, quote, "versions")
    assert answer.status_code == 201, answer.json
    revision = answer.json
    assert (revision["number"], revision["version_number"]) == (quote["number"], 2)
    assert (revision["status"], revision["total"]) == ("draft", quote["total"])
    old = who.get(path).json
    assert old["superseded_by_id"] == revision["id"]
    assert act(who, old, "accept").status_code == 409
    assert act(who, old, "versions").status_code == 409
    versions = who.get(f"{path}/versions").json
    assert [each["version_number"] for each in versions] == [1, 2]
    accepted = act(who, act(who, revision, "send").json, "accept")
    assert accepted.status_code == 200, accepted.json


def test_what_nobody_answers_expires_once_and_what_is_decided_does_not(sales: Harness) -> None:
    who = sales.as_user()
    left, decided = sent(who), sent(who)
    answer = act(who, decided, "reject", reason="太贵")
    assert (answer.status_code, answer.json["reject_reason"]) == (200, "太贵")
    let_time_pass(sales)
    let_time_pass(sales)
    expired = who.get(f"/v1/quotes/{left['id']}").json
    assert expired["status"] == "expired"
    assert who.get(f"/v1/quotes/{decided['id']}").json["status"] == "rejected"
    assert len(sales.published("crm.sales.quote.expired.v1")) == 1
    assert act(who, expired, "accept").status_code == 409


def test_it_is_valid_until_its_last_day(sales: Harness) -> None:
    who = sales.as_user()
    yesterday = (TODAY - timedelta(days=1)).isoformat()
    assert act(who, draft(who, valid_until=yesterday), "send").status_code == 409
    quote = sent(who, valid_until=TODAY.isoformat())
    late = (TODAY + timedelta(days=1)).isoformat()
    assert act(who, quote, "accept", accepted_on=late).status_code == 409
    assert act(who, quote, "accept", accepted_on=TODAY.isoformat()).status_code == 200


def test_the_document_has_what_the_quote_says_in_every_script(sales: Harness) -> None:
    who = sales.as_user()
    hostile = "<b>&amp; <font size=99>Łódź</font> Ελλάδα"
    quote = sent(
        who,
        account_id=account(sales, name="杭州示例有限公司"),
        terms="付款期限 30 天\nNo <script>.",
        lines=[*LINES, {"product_name": hostile, "quantity": "1", "unit_price": "1234567.5"}],
    )
    answer = who.get(f"/v1/quotes/{quote['id']}/pdf")
    assert (answer.status_code, answer.content_type) == (200, "application/pdf")
    assert answer.headers["Content-Disposition"].endswith(f'{quote["number"]}-1.pdf"')
    reader = pypdf.PdfReader(io.BytesIO(answer.data))
    text = "".join(page.extract_text() for page in reader.pages).replace("\n", "")
    for said in (quote["number"], "杭州示例有限公司", "安装服务", "1,234,567.50", "<b>&amp;"):
        assert said in text
    assert "付款期限 30 天" in text
    assert "No <script>." in text


def test_others_quotes_are_not_there(sales: Harness) -> None:
    quote = sent(sales.as_user())
    outsider = sales.as_user({"sales.quotes.*": "own"})
    path = f"/v1/quotes/{quote['id']}"
    for answer in (
        outsider.get(path),
        outsider.get(f"{path}/pdf"),
        outsider.get(f"{path}/versions"),
        act(outsider, quote, "accept"),
        act(outsider, quote, "versions"),
    ):
        assert answer.status_code == 404
    assert outsider.get("/v1/quotes").json["items"] == []
    assert quote["id"] not in outsider.get("/v1/exports/quotes").get_data(as_text=True)


class Lifecycle(RuleBasedStateMachine):
    """Whatever is tried in whatever order, a number is ordered at most once, at one total."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(self.tmp.mktemp("quotes"))
        self.sales = Harness(create_app, "sales", self.folder)
        self.who = self.sales.as_user()
        account(self.sales, id=CUSTOMER)
        self.ids = [draft(self.who)["id"]]

    tmp: Any

    @rule(
        which=st.integers(0, 5),
        what=st.sampled_from(["send", "accept", "reject", "versions"]),
        fresh=st.booleans(),
    )
    def act(self, which: int, what: str, fresh: bool) -> None:
        key = self.ids[which % len(self.ids)]
        quote = self.who.get(f"/v1/quotes/{key}").json
        seen = quote if fresh else quote | {"version": quote["version"] - 1}
        body = {"reason": "no"} if what == "reject" else {}
        answer = act(self.who, seen, what, **body)
        assert answer.status_code in ((200, 201, 409) if fresh else (412,)), answer.json
        if answer.status_code == 201:
            self.ids.append(answer.json["id"])

    @rule()
    def wait(self) -> None:
        let_time_pass(self.sales)

    @invariant()
    def at_most_one_order(self) -> None:
        quotes = [self.who.get(f"/v1/quotes/{key}").json for key in self.ids]
        accepted = [quote for quote in quotes if quote["status"] == "accepted"]
        orders = self.who.get("/v1/orders").json["items"]
        assert [order["quote_id"] for order in orders] == [quote["id"] for quote in accepted]
        assert len(accepted) <= 1
        assert [quote["version_number"] for quote in quotes] == list(range(1, len(quotes) + 1))

    def teardown(self) -> None:
        self.sales.close()


def test_a_number_is_ordered_at_most_once(tmp_path_factory: pytest.TempPathFactory) -> None:
    machine = type("Machine", (Lifecycle,), {"tmp": tmp_path_factory})
    limits = hypothesis_settings(max_examples=8, stateful_step_count=15, deadline=None)
    run_state_machine_as_test(machine, settings=limits)


def test_what_is_ordered_by_a_quote_counts_for_the_campaign_of_its_deal(sales: Harness) -> None:
    campaign = event("crm.marketing.campaign.created.v1", {"id": new_id()})
    sales.deliver(campaign)
    rep = sales.as_user()
    deal = {"name": "大单", "amount": "10", "currency": "CNY", "campaign_id": campaign.subject}
    deal_id = rep.post("/v1/opportunities", json=deal).json["id"]
    quote = sent(rep, opportunity_id=deal_id)
    blind = sales.as_user({"sales.quotes.*": "own", "sales.orders.*": "own"}, user_id=rep.id)
    order_id = act(blind, quote, "accept").json["order_id"]
    assert rep.get(f"/v1/orders/{order_id}").json["campaign_id"] == campaign.subject


def test_quantities_and_rates_are_written_as_orders_write_them(sales: Harness) -> None:
    rep = sales.as_user()
    line = {"product_name": "x", "quantity": "10", "unit_price": "1.00", "tax_rate": "19"}
    quote = sent(rep, lines=[line])
    accepted = act(rep, quote, "accept").json
    names = ("quantity", "discount_percent", "tax_rate")
    order = rep.get(f"/v1/orders/{accepted['order_id']}").json
    (quoted,), (ordered,) = accepted["lines"], order["lines"]
    assert [quoted[name] for name in names] == ["10", "0", "19"]
    assert [ordered[name] for name in names] == ["10", "0", "19"]
