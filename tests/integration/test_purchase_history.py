"""A shop's real orders go in as files, and its customers' figures come out true.

The data set is CDNOW's: every purchase of those who first bought in the first quarter of 1997. It
is read from the folder that ``CRM_DATA`` names, by default ``../shared/data`` beside the checkout,
and skipped where it is not. A platform takes in every tenth customer, whose figures are compared
with a count by hand, which in turn is compared with the truth; with ``CRM_WHOLE_DATA=1`` real
servers take in all of it, two minutes' work.
"""

from __future__ import annotations

import csv
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from crm_client import imports, mapping
from crm_client.client import Client
from crm_local.testing import Running

HERE = Path(__file__).parent
DATA = Path(os.environ.get("CRM_DATA", HERE.parents[1].parent / "shared" / "data")) / "cdnow"
MAPS = HERE / "cdnow"
PERIOD = {"from": "1997-01-01", "to": "1998-06-30", "currency": "USD"}
PATIENCE_SECONDS = 600
DAYS_A_MONTH = 30.436875
EXAMPLES = 40

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the data set is not in {DATA}")


@dataclass(frozen=True)
class Purchase:
    """A line of the data set."""

    number: int
    customer: str
    day: date
    cds: int
    value: Decimal


def purchases(*, every: int) -> list[Purchase]:
    """The purchases of every so many of the customers."""
    lines = (DATA / "CDNOW_master.txt").read_text().split("\n")[1:]
    found = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            customer, day, cds, value = line.split()
            if int(customer) % every == 0:
                found.append(
                    Purchase(number, customer, date.fromisoformat(day), int(cds), Decimal(value))
                )
    return found


@dataclass(frozen=True)
class History:
    """What the purchases come to, counted one by one."""

    purchases: list[Purchase]

    @property
    def of_each(self) -> dict[str, list[Purchase]]:
        found: dict[str, list[Purchase]] = defaultdict(list)
        for purchase in self.purchases:
            found[purchase.customer].append(purchase)
        return found

    @property
    def revenue(self) -> Decimal:
        return sum((purchase.value for purchase in self.purchases), Decimal(0))

    @property
    def months(self) -> dict[str, tuple[Decimal, int]]:
        """Revenue and purchases of each month."""
        revenue: Counter[str] = Counter()
        count: Counter[str] = Counter()
        for purchase in self.purchases:
            month = f"{purchase.day:%Y-%m}"
            revenue[month] += purchase.value  # type: ignore[assignment]  # a counter of amounts
            count[month] += 1
        return {month: (Decimal(revenue[month]), count[month]) for month in revenue}

    def gaps(self) -> Iterable[list[int]]:
        """The days between each customer's order days."""
        for bought in self.of_each.values():
            days = sorted({purchase.day for purchase in bought})
            yield [(later - earlier).days for earlier, later in pairwise(days)]


@pytest.fixture(scope="module")
def history(platform: Running) -> History:
    whole = os.environ.get("CRM_WHOLE_DATA") == "1" and not platform.embedded
    return History(purchases(every=1 if whole else 10))


@pytest.fixture(scope="module")
def client(platform: Running, history: History, tmp_path_factory: pytest.TempPathFactory) -> Client:
    """A client of the platform with the purchases in it."""
    client = platform.client()
    folder = tmp_path_factory.mktemp("cdnow")
    customers = [{"customer_id": key} for key in history.of_each]
    take_in(
        client, "customer/contacts", "customers.yaml", write(folder / "customers.csv", customers)
    )
    rows = [
        {
            "number": purchase.number,
            "customer_id": purchase.customer,
            "date": purchase.day,
            "cds": purchase.cds,
            "value": purchase.value,
        }
        for purchase in history.purchases
    ]
    of_last = [row for row in rows if row["customer_id"] == customers[-1]["customer_id"]]
    last = write(folder / "last.csv", of_last)
    wait_until(lambda: sent(client, "sales/orders", "orders.yaml", last, dry_run=True).failed == 0)
    take_in(client, "sales/orders", "orders.yaml", write(folder / "orders.csv", rows))
    wait_until(lambda: figures(client)["orders"] == len(rows))
    return client


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def take_in(client: Client, resource: str, map_file: str, path: Path) -> None:
    job = sent(client, resource, map_file, path)
    assert (job.state, job.failed) == ("done", 0), list(imports.errors(client, job))[:3]


def sent(
    client: Client, resource: str, map_file: str, path: Path, *, dry_run: bool = False
) -> imports.ImportJob:
    """An import when it has ended."""
    rules = mapping.load(MAPS / map_file)
    job = imports.create(client, resource, path.name, rules, dry_run=dry_run)
    job = imports.upload(client, job, path)
    for now in imports.watch(client, job, patience=PATIENCE_SECONDS):
        job = now
    return job


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def figures(client: Client) -> dict[str, Any]:
    """The behaviour of all who buy in the shop's currency."""
    told = client.get("/api/customer/v1/behaviour/summary", {"currency": "USD"})
    return next(item for item in told["items"] if item["customer_type"] == "contact")


def test_the_counting_by_hand_is_that_of_the_truth() -> None:
    truth = json.loads((DATA / "truth.json").read_text())
    whole = History(purchases(every=1))
    assert len(whole.purchases) == truth["rows"]["transactions"]
    assert len(whole.of_each) == truth["rows"]["customers"]
    assert float(whole.revenue) == truth["rows"]["revenue"]
    assert {
        month: {"revenue": float(revenue), "transactions": count}
        for month, (revenue, count) in whole.months.items()
    } == {
        month: {name: row[name] for name in ("revenue", "transactions")}
        for month, row in truth["monthly"].items()
    }
    gaps = list(whole.gaps())
    pooled = fmean(gap for each in gaps for gap in each)
    assert round(pooled, 6) == truth["inter_purchase_days_pooled"]["mean"]
    of_customers = fmean(fmean(each) for each in gaps if each)
    assert round(of_customers, 6) == truth["inter_purchase_days_mean_of_customer_means"]
    repeat = sum(1 for each in gaps if each)
    assert repeat == truth["repeat"]["customers_2plus_days"]


def test_the_customers_together(client: Client, history: History) -> None:
    told = figures(client)
    gaps = list(history.gaps())
    repeat = sum(1 for each in gaps if each)
    assert told["customers"] == len(history.of_each)
    assert told["orders"] == len(history.purchases)
    assert told["order_days"] == len({(each.customer, each.day) for each in history.purchases})
    assert {name: Decimal(amount) for name, amount in told["spend"].items()} == {
        "USD": history.revenue
    }
    assert told["repeat_customers"] == repeat
    assert told["repeat_rate"] == pytest.approx(repeat / len(history.of_each), abs=1e-12)
    pooled = fmean(gap for each in gaps for gap in each)
    assert told["mean_gap_days"] == pytest.approx(pooled, abs=1e-9)
    of_customers = fmean(fmean(each) for each in gaps if each)
    assert told["mean_cycle_days"] == pytest.approx(of_customers, abs=1e-9)


def test_revenue_by_month(client: Client, history: History, eventually: Callable[..., Any]) -> None:
    def by_month(kpi: str) -> dict[str, Any]:
        asked = PERIOD | {"grain": "month"}
        if kpi == "orders":
            del asked["currency"]
        told = client.get(f"/api/reporting/v1/kpis/{kpi}", asked)
        return {row["period"]: row["value"] for row in told["rows"]}

    counts = {month: count for month, (_, count) in history.months.items()}
    eventually(lambda: by_month("orders"), counts, 300)
    for kpi in ("order_value", "net_sales"):
        told = {month: Decimal(value) for month, value in by_month(kpi).items()}
        assert told == {month: revenue for month, (revenue, _) in history.months.items()}, kpi


def test_the_behaviour_of_each(client: Client, history: History) -> None:
    """Of some: those who bought most, and some of all kinds."""
    each = history.of_each
    by_spend = sorted(each, key=lambda key: -sum(purchase.value for purchase in each[key]))
    for customer in [*by_spend[:10], *list(each)[:: len(each) // EXAMPLES]]:
        (found,) = client.get("/api/customer/v1/contacts", {"external_id": customer})["items"]
        view = client.get(f"/api/customer/v1/contacts/{found['id']}/overview")
        bought = each[customer]
        days = sorted({purchase.day for purchase in bought})
        spent = sum((purchase.value for purchase in bought), Decimal(0))
        told = view["behaviour"]
        assert told["line"] == line_of(days, len(bought), spent), customer
        assert told["orders"] == len(bought)
        assert told["order_days"] == len(days)
        assert told["first_order_on"] == days[0].isoformat()
        assert told["last_order_on"] == days[-1].isoformat()
        assert Decimal(told["spend"]["USD"]) == spent
        assert [(each["name"], Decimal(each["quantity"])) for each in told["products"]] == [
            ("CD", Decimal(sum(purchase.cds for purchase in bought)))
        ]


def line_of(days: list[date], orders: int, spent: Decimal) -> str:
    cycle = "-"
    if len(days) > 1:
        gap = (days[-1] - days[0]).days / (len(days) - 1)
        months = round(gap / DAYS_A_MONTH)
        number, unit = (months, "month") if months else (round(gap), "day")
        cycle = f"{number} {unit}" + ("" if number == 1 else "s")
    return f"0 | {orders} | {str(spent).removesuffix('.00')} | {cycle} | CD"
