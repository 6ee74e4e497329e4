"""What a deal sells: lines priced from price lists, discounts within limits, totals that add up."""

import io
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_chassis.database import new_id
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import DEFINITION


def tag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


class Shop:
    """A deal, two products and a price list, as an administrator has set them up."""

    def __init__(self, sales: Harness) -> None:
        self.sales = sales
        self.admin = sales.as_user()
        self.gtx = self._product("GTX", "100", "EUR")
        self.mg = self._product("MG", "55.5", "USD")
        deal = {"name": "x", "amount": "1", "currency": "EUR"}
        self.deal = self.admin.post("/v1/opportunities", json=deal).json
        self.path = f"/v1/opportunities/{self.deal['id']}"
        new = {"name": "Partners", "currency": "EUR", "valid_from": "2020-01-01"}
        self.list = self.admin.post("/v1/price-lists", json=new).json

    def _product(self, name: str, price: str, currency: str) -> str:
        new = {"name": name, "list_price": price, "currency": currency}
        return str(self.admin.post("/v1/products", json=new).json["id"])

    def price(self, product: str, *breaks: tuple[str, str]) -> Any:
        path = f"/v1/price-lists/{self.list['id']}"
        prices = [{"from_quantity": quantity, "unit_price": price} for quantity, price in breaks]
        version = self.admin.get(path).json["version"]
        return self.admin.put(
            f"{path}/prices/{product}", json={"prices": prices}, headers=tag(version)
        )

    def sell(self, *lines: dict[str, Any], caller: Caller | None = None, **values: Any) -> Any:
        caller = caller or self.admin
        version = self.admin.get(self.path).json["version"]
        body = {"lines": list(lines), **values}
        return caller.put(f"{self.path}/line-items", json=body, headers=tag(version))

    def state(self) -> dict[str, Any]:
        return self.admin.get(self.path).json


@pytest.fixture
def shop(sales: Harness) -> Shop:
    return Shop(sales)


@pytest.fixture
def shop_anywhere(anywhere: Harness) -> Shop:
    return Shop(anywhere)


def line(product: str, quantity: str = "1", **values: Any) -> dict[str, Any]:
    return {"product_id": product, "quantity": quantity, **values}


def test_a_deal_is_worth_what_its_lines_add_up_to(shop_anywhere: Shop) -> None:
    shop = shop_anywhere
    response = shop.sell(
        line(shop.gtx, "3", discount_percent="10"),
        line(shop.mg, "2.5", unit_price="0.333"),
    )
    assert response.status_code == 200, response.json
    assert [sold["total"] for sold in response.json["lines"]] == ["270.00", "0.83"]
    deal = shop.state()
    assert (deal["amount"], deal["quantity"], deal["version"]) == ("270.83", 6, 2)
    told = shop.sales.published()[-1]
    assert told.type == "crm.sales.opportunity.changed.v1"
    assert (told.sequence, told.data["amount"]) == (2, "270.83")
    assert [sold["total"] for sold in told.data["line_items"]] == ["270.00", "0.83"]


def test_the_price_list_prices_by_quantity(shop: Shop) -> None:
    assert shop.price(shop.gtx, ("1", "90"), ("10", "80")).status_code == 200
    in_list = {"price_list_id": shop.list["id"]}
    for quantity, price in (("0.5", "100.00"), ("1", "90.00"), ("9.9", "90.00"), ("10", "80.00")):
        (sold,) = shop.sell(line(shop.gtx, quantity), **in_list).json["lines"]
        assert sold["unit_price"] == price, quantity
    assert sold["price_list_id"] == shop.list["id"]
    given_price = shop.sell(line(shop.gtx, "10", unit_price="70"), **in_list).json["lines"][0]
    assert (given_price["unit_price"], given_price["price_list_id"]) == ("70.00", None)


def test_a_line_without_a_price_in_the_deals_currency_is_named(shop: Shop) -> None:
    response = shop.sell(line(shop.gtx), line(shop.mg))
    assert problem_fields(response) == ["lines.1.unit_price"]
    assert shop.state()["version"] == 1


def test_a_price_list_is_used_only_where_and_when_it_is_valid(shop: Shop) -> None:
    team, below, elsewhere = new_id(), new_id(), new_id()
    shop.sales.deliver(
        event("crm.gateway.team.created.v1", {"id": team, "name": "A", "parent_id": None}),
        event("crm.gateway.team.created.v1", {"id": below, "name": "B", "parent_id": team}),
        event("crm.gateway.team.created.v1", {"id": elsewhere, "name": "C", "parent_id": None}),
    )
    usual = {"name": "L", "currency": "EUR", "valid_from": "2020-01-01"}

    def refused(**values: Any) -> bool:
        new = shop.admin.post("/v1/price-lists", json={**usual, **values})
        assert new.status_code == 201, new.json
        response = shop.sell(line(shop.gtx), price_list_id=new.json["id"])
        if response.status_code == 422:
            assert problem_fields(response) == ["price_list_id"]
        return response.status_code == 422

    assert not refused()
    assert refused(currency="USD")
    assert refused(valid_from="2999-01-01")
    assert refused(valid_to="2020-12-31")
    assert refused(active=False)
    assert refused(team_id=team)
    rep = shop.sales.as_user({"sales.opportunities.*": "own"}, team=below)
    shop.deal = rep.post("/v1/opportunities", json={"name": "y", "amount": "1", "currency": "EUR"})
    shop.path = f"/v1/opportunities/{shop.deal.json['id']}"
    assert not refused(team_id=team)
    assert refused(team_id=elsewhere)
    unknown = shop.sell(line(shop.gtx), price_list_id=new_id())
    assert problem_fields(unknown) == ["price_list_id"]


def test_what_follows_from_the_lines_is_not_said_otherwise(shop: Shop) -> None:
    shop.sell(line(shop.gtx, "2"))
    changes = {"amount": "5", "currency": "USD", "quantity": 7}
    refused = shop.admin.patch(shop.path, json=changes, headers=tag(2))
    assert problem_fields(refused) == ["amount", "currency", "quantity"]
    same = shop.admin.patch(shop.path, json={"amount": "200", "name": "z"}, headers=tag(2))
    assert same.status_code == 200
    won = shop.admin.post(f"{shop.path}/win", json={"amount": "1"}, headers=tag(3))
    assert problem_fields(won) == ["amount"]
    assert shop.sell().json["amount"] == "200.00"
    assert shop.admin.patch(shop.path, json={"amount": "5"}, headers=tag(4)).status_code == 200


def test_the_same_lines_again_change_nothing_and_kept_lines_stay_the_same(shop: Shop) -> None:
    first = shop.sell(line(shop.gtx), line(shop.gtx, "2")).json["lines"]
    count = len(shop.sales.published())
    assert shop.sell(line(shop.gtx), line(shop.gtx, "2")).headers["ETag"] == '"2"'
    assert len(shop.sales.published()) == count
    second = shop.sell(line(shop.gtx, "2"), line(shop.gtx, "3")).json["lines"]
    assert second[0]["id"] == first[1]["id"]
    assert [sold["quantity"] for sold in second] == ["2.00", "3.00"]
    assert shop.admin.get(f"{shop.path}/line-items").json["lines"] == second


def test_a_limit_is_changed_by_who_saw_what_it_was(shop: Shop) -> None:
    path = "/v1/discount-limits/sales_rep"
    assert shop.admin.put(path, json={"max_percent": "10"}).status_code == 428
    assert shop.admin.put(path, json={"max_percent": "10"}, headers=tag(0)).json["version"] == 1
    assert shop.admin.put(path, json={"max_percent": "90"}, headers=tag(0)).status_code == 412
    (limit,) = shop.admin.get("/v1/discount-limits").json["items"]
    assert (limit["max_percent"], limit["version"]) == ("10", 1)
    changed = shop.admin.put(path, json={"max_percent": "20"}, headers=tag(1))
    assert (changed.json["max_percent"], changed.headers["ETag"]) == ("20", '"2"')


def test_a_role_lets_off_no_more_than_its_limit(shop: Shop) -> None:
    limits = {"sales_rep": "10", "sales_manager": "30", "admin": None}
    for role, percent in limits.items():
        path = f"/v1/discount-limits/{role}"
        set_ = shop.admin.put(path, json={"max_percent": percent}, headers=tag(0))
        assert set_.status_code == 200
    grants = {"sales.opportunities.*": "all"}

    def caller(*roles: str) -> Caller:
        return shop.sales.as_user(grants, roles=roles)

    rep, manager = caller("sales_rep"), caller("sales_rep", "sales_manager")
    too_much = line(shop.gtx, discount_percent="10.0001")
    assert problem_fields(shop.sell(line(shop.gtx), too_much, caller=rep)) == [
        "lines.1.discount_percent"
    ]
    below_price = line(shop.gtx, unit_price="89.99")
    assert problem_fields(shop.sell(below_price, caller=rep)) == ["lines.0.unit_price"]
    both = line(shop.gtx, unit_price="95", discount_percent="6")
    assert problem_fields(shop.sell(both, caller=rep)) == ["lines.0.unit_price"]
    assert shop.sell(line(shop.gtx, discount_percent="10"), caller=rep).status_code == 200
    granted = line(shop.gtx, "3", discount_percent="30")
    assert shop.sell(granted, caller=manager).status_code == 200
    kept = shop.sell(granted, line(shop.gtx), caller=rep)
    assert kept.status_code == 200, kept.json
    assert shop.sell(line(shop.gtx, discount_percent="90"), caller=caller("admin")).json["lines"]
    assert shop.sell(line(shop.gtx, discount_percent="1"), caller=caller()).status_code == 422


def test_without_limits_anybody_lets_off_what_they_like(shop: Shop) -> None:
    assert shop.sell(line(shop.gtx, discount_percent="99.5")).json["amount"] == "0.50"


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"quantity": "0"}, "lines.0.quantity"),
        ({"quantity": "-1"}, "lines.0.quantity"),
        ({"quantity": 1.5}, "lines.0.quantity"),
        ({"quantity": "1e3"}, "lines.0.quantity"),
        ({"quantity": "99999999999999"}, "lines.0.unit_price"),
        ({"quantity": "99999999999", "unit_price": "0.01"}, "lines"),
        ({"discount_percent": "100.1"}, "lines.0.discount_percent"),
        ({"discount_percent": "-1"}, "lines.0.discount_percent"),
        ({"unit_price": "-1"}, "lines.0.unit_price"),
        ({"unit_price": "NaN"}, "lines.0.unit_price"),
        ({"product_id": "1"}, "lines.0.product_id"),
        ({"product_id": new_id()}, "lines.0.product_id"),
        ({"total": "5"}, "lines.0.total"),
        ({"description": "a\0b"}, "lines.0.description"),
    ],
)
def test_hostile_lines_are_named_problems(shop: Shop, values: dict[str, Any], field: str) -> None:
    response = shop.sell({**line(shop.gtx), **values})
    assert response.status_code == 422
    assert field in problem_fields(response)
    assert shop.state()["version"] == 1


def test_a_product_that_is_not_sold_any_more_stays_only_where_it_is(shop: Shop) -> None:
    shop.sell(line(shop.gtx))
    shop.admin.patch(f"/v1/products/{shop.gtx}", json={"active": False}, headers=tag(1))
    assert shop.sell(line(shop.gtx, "2")).status_code == 200
    shop.sell()
    assert problem_fields(shop.sell(line(shop.gtx))) == ["lines.0.product_id"]


def test_lines_are_seen_and_changed_by_who_sees_and_changes_the_deal(shop: Shop) -> None:
    shop.sell(line(shop.gtx))
    outsider = shop.sales.as_user({"sales.opportunities.*": "own"})
    for path in ("line-items", "competitors", "forecast-log", "stage-log"):
        assert outsider.get(f"{shop.path}/{path}").status_code == 404, path
    assert shop.sell(line(shop.gtx), caller=outsider).status_code == 404
    reader = shop.sales.as_user({"sales.opportunities.read": "all"})
    assert reader.get(f"{shop.path}/line-items").status_code == 200
    assert shop.sell(line(shop.gtx), caller=reader).status_code == 403


CENTS = st.decimals(0, 10_000, places=4)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(st.decimals("0.0001", 5000, places=4), CENTS, st.decimals(0, 100, places=2)),
        min_size=1,
        max_size=6,
    )
)
def test_the_amount_is_always_the_sum_of_the_lines(
    shop: Shop, lines: list[tuple[Decimal, Decimal, Decimal]]
) -> None:
    response = shop.sell(
        *(
            line(shop.gtx, f"{quantity:f}", unit_price=f"{price:f}", discount_percent=f"{off:f}")
            for quantity, price, off in lines
        )
    )
    assert response.status_code == 200, response.json
    totals = [Decimal(sold["total"]) for sold in response.json["lines"]]
    assert all(total == total.quantize(Decimal("0.01")) for total in totals)
    exact = [price * quantity * (100 - off) / 100 for quantity, price, off in lines]
    for total, precise in zip(totals, exact, strict=True):
        assert abs(total - precise) <= Decimal("0.01")
    assert Decimal(shop.state()["amount"]) == sum(totals)
    assert shop.state()["amount"] == shop.sales.published()[-1].data["amount"]


def test_a_price_list_is_changed_by_version_and_told(shop: Shop) -> None:
    path = f"/v1/price-lists/{shop.list['id']}"
    assert shop.price(shop.gtx, ("0", "90"), ("10", "80")).headers["ETag"] == '"2"'
    told = shop.sales.published()[-1]
    assert told.type == "crm.sales.price_list.product_priced.v1"
    assert told.data["change"]["prices"] == [
        {"from_quantity": "0.00", "unit_price": "90.00"},
        {"from_quantity": "10.00", "unit_price": "80.00"},
    ]
    assert shop.price(shop.gtx, ("0", "90"), ("10", "80")).headers["ETag"] == '"2"'
    prices = shop.admin.get(f"{path}/prices?product_id={shop.gtx}").json["items"]
    assert sorted(price["unit_price"] for price in prices) == ["80.00", "90.00"]
    stale = shop.admin.put(f"{path}/prices/{shop.gtx}", json={"prices": []}, headers=tag(1))
    assert stale.status_code == 412
    other = shop.admin.patch(path, json={"currency": "USD"}, headers=tag(2))
    assert other.status_code == 409
    ended = shop.admin.patch(path, json={"valid_to": "2019-01-01"}, headers=tag(2))
    assert problem_fields(ended) == ["valid_to"]
    assert shop.price(shop.gtx).status_code == 200
    assert shop.admin.get(f"{path}/prices").json["items"] == []
    twice = shop.price(shop.gtx, ("1", "90"), ("1.0", "80"))
    assert problem_fields(twice) == ["prices.0.from_quantity", "prices.1.from_quantity"]


def test_prices_are_imported(shop_anywhere: Shop) -> None:
    mapping = {
        "resource": "price-list-prices",
        "key": "price_list",
        "columns": {"l": "price_list", "p": "product", "q": "from_quantity", "u": "unit_price"},
    }
    rows = "l,p,q,u\nPartners,GTX,0,90\nPartners,GTX,10,80\nPartners,Nothing,0,1\nNone,GTX,0,1\n"
    runner = ImportRunner("sales", shop_anywhere.sales.service.database, DEFINITION.importers)
    for created, unchanged in ((2, 0), (0, 2)):
        job = shop_anywhere.admin.post("/v1/imports", json=mapping).json
        content = io.BytesIO(rows.encode())
        shop_anywhere.admin.put(f"/v1/imports/{job['id']}/content", input_stream=content)
        while runner.step():
            pass
        job = shop_anywhere.admin.get(f"/v1/imports/{job['id']}").json
        assert (job["created"], job["unchanged"], job["failed"]) == (created, unchanged, 2)
    told = shop_anywhere.sales.published("crm.sales.price_list.product_priced.v1")
    assert len(told) == 1
    assert len(told[0].data["change"]["prices"]) == 2


def test_a_file_of_prices_without_quantities_says_the_price_of_any(shop: Shop) -> None:
    shop.price(shop.gtx, ("0", "90"), ("10", "80"))
    mapping = {
        "resource": "price-list-prices",
        "key": "price_list",
        "columns": {"l": "price_list", "p": "product", "u": "unit_price"},
    }
    job = shop.admin.post("/v1/imports", json=mapping).json
    content = io.BytesIO(b"l,p,u\nPartners,GTX,95\n")
    shop.admin.put(f"/v1/imports/{job['id']}/content", input_stream=content)
    runner = ImportRunner("sales", shop.sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    assert shop.admin.get(f"/v1/imports/{job['id']}").json["changed"] == 1
    (told,) = shop.sales.published("crm.sales.price_list.product_priced.v1")[1:]
    assert [price["unit_price"] for price in told.data["change"]["prices"]] == ["95.00", "80.00"]
