"""The sample company: the same for the same day, and of one piece whatever the day is."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import phonenumbers
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_local.sample.company import make_sample
from crm_local.sample.records import Move, Ref, Sample

REFERENCES = {
    "parent": "teams",
    "team": "teams",
    "owner": "users",
    "assignee": "users",
    "account": "accounts",
    "contact": "contacts",
    "product": "products",
    "campaign": "campaigns",
    "opportunity": "opportunities",
    "order": "orders",
    "development_owner": "users",
    "service_owner": "users",
}
IN_ORDER = (
    ("opened_on", "stage_since"),
    ("created_on", "status_since"),
    ("starts_on", "ends_on"),
    ("opened_on", "started_on"),
    ("started_on", "delivered_on"),
    ("opened_on", "closed_on"),
    ("occurred_at", "ended_at"),
    ("occurred_at", "opened_at"),
    ("opened_at", "replied_at"),
)
PLANNED = (
    "ends_on",
    "starts_on",
    "expected_close_on",
    "planned_start_on",
    "planned_delivery_on",
    "first_due_on",
    "due_on",
)

days = st.dates(date(2024, 1, 1), date(2040, 12, 31))


def keys(sample: Sample, resource: str) -> set[str]:
    return {row["external_id"] for row in sample.rows[resource]}


def names(sample: Sample, resource: str) -> set[str]:
    """What rows may call records of a resource: their keys, and the names that leads bring."""
    brought = set()
    if resource == "accounts":
        brought = {row["company"] for row in sample.rows["leads"]}
    if resource == "opportunities":
        brought = {each.facts["opportunity_name"] for each in sample.conversions.values()}
    return keys(sample, resource) | brought


def refs(facts: Any) -> Iterator[Ref]:
    if isinstance(facts, Ref):
        yield facts
    elif isinstance(facts, Mapping):
        yield from refs(list(facts.values()))
    elif isinstance(facts, list):
        for each in facts:
            yield from refs(each)


def all_moves(sample: Sample) -> Iterator[Move]:
    for moves in sample.moves.values():
        for each in moves.values():
            yield from each
    for entries in sample.entries.values():
        for entry in entries:
            yield from entry.moves
    yield from (each.then for each in sample.conversions.values() if each.then)


def told_days(sample: Sample) -> Iterator[tuple[str, str]]:
    for rows in sample.rows.values():
        for row in rows:
            yield from ((name, row[name]) for name in row if name.endswith(("_on", "_since")))
    facts = [conversion.facts for conversion in sample.conversions.values()]
    facts += [move.facts for move in all_moves(sample)]
    facts += [entry.facts for entries in sample.entries.values() for entry in entries]
    for each in facts:
        yield from ((name, each[name]) for name in each if name.endswith("_on"))


def test_it_is_the_same_for_the_same_day_and_its_keys_are_so_for_any() -> None:
    first, again = make_sample(date(2026, 11, 22)), make_sample(date(2026, 11, 22))
    assert first == again
    later = make_sample(date(2027, 2, 1))
    for resource in ("teams", "users", "accounts", "products", "leads", "opportunities"):
        assert keys(later, resource) == keys(first, resource)


@settings(max_examples=25, deadline=None)
@given(days)
def test_every_name_that_a_row_refers_to_is_there_once(today: date) -> None:
    sample = make_sample(today)
    for resource, rows in sample.rows.items():
        assert len(keys(sample, resource)) == len(rows)
        for name, referred in REFERENCES.items():
            assert {row[name] for row in rows if name in row} <= names(sample, referred)
    for conversion in sample.conversions.values():
        assert conversion.product in keys(sample, "products")
        assert conversion.account is None or conversion.account in keys(sample, "accounts")
    for resource, moves in sample.moves.items():
        assert set(moves) <= keys(sample, resource)
    assert set(sample.conversions) <= keys(sample, "leads")
    for entries in sample.entries.values():
        for ref in refs([entry.facts for entry in entries]):
            assert ref.external_id in keys(sample, ref.resource)


@settings(max_examples=25, deadline=None)
@given(days)
def test_nothing_happens_after_today_or_before_it_could(today: date) -> None:
    sample = make_sample(today)
    late = [pair for pair in told_days(sample) if pair[0] not in PLANNED and pair[1] > str(today)]
    assert late == []
    for rows in sample.rows.values():
        for first, then in IN_ORDER:
            assert all(row[first] <= row[then] for row in rows if first in row and then in row)
    created = {row["external_id"]: row["created_on"] for row in sample.rows["leads"]}
    for key, conversion in sample.conversions.items():
        assert conversion.facts["converted_on"] >= created[key]
    opened = {row["external_id"]: row["opened_on"] for row in sample.rows["opportunities"]}
    for key, (move,) in sample.moves["opportunities"].items():
        assert move.facts.get("closed_on", str(today)) >= opened[key]
    instants = [row[n] for row in sample.rows["interactions"] for n in row if n.endswith("_at")]
    assert max(instants) < str(today)


@settings(max_examples=25, deadline=None)
@given(days)
def test_no_order_is_paid_twice_or_before_it_is_placed(today: date) -> None:
    sample = make_sample(today)
    orders = {row["external_id"]: row for row in sample.rows["orders"]}
    paid: Counter[str] = Counter()
    for receipt in sample.rows["receipts"]:
        paid[receipt["order"]] += Decimal(receipt["amount"])
        assert receipt["received_on"] >= orders[receipt["order"]]["placed_on"]
    for key, amount in paid.items():
        assert amount <= Decimal(orders[key]["amount"])
    done = Counter(move.name for moves in sample.moves["orders"].values() for move in moves)
    assert all(done[each] for each in ("fulfil", "complete", "cancel", "returns"))
    assert len(paid) < len(orders) - done["cancel"]
    billed = {ref.external_id for ref in refs([e.facts for e in sample.entries["invoices"]])}
    on_terms = {
        key
        for key, moves in sample.moves["orders"].items()
        if moves and moves[0].name == "payment-plan"
    }
    assert not billed & on_terms


def test_there_is_one_currency_and_every_kind_of_ending() -> None:
    sample = make_sample(date(2026, 11, 22))
    currencies = {row.get("currency") for rows in sample.rows.values() for row in rows}
    assert currencies <= {"USD", None}
    moves = {move.name for (move,) in sample.moves["opportunities"].values()}
    assert moves == {"win", "lose", "stage"}
    stages = {row["stage"] for row in sample.rows["opportunities"]}
    assert stages == {"prospecting", "qualification", "proposal", "negotiation"}


def test_addresses_and_numbers_belong_to_nobody() -> None:
    sample = make_sample(date(2026, 11, 22))
    people = [row for name in ("accounts", "contacts", "leads") for row in sample.rows[name]]
    numbers = [row.get("phones", row.get("phone", "")) for row in people]
    assert len(set(numbers)) == len(numbers)
    for number in numbers:
        assert (
            phonenumbers.format_number(
                phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164
            )
            == number
        )
        assert phonenumbers.is_possible_number(phonenumbers.parse(number))
        if number.startswith("+86"):
            assert re.fullmatch(r"\+86(10|2\d|\d{3})0000\d{4}", number)
    for row in [*people, *sample.rows["users"]]:
        assert re.fullmatch(r"[a-z.]+@[a-z.-]+\.example", row.get("emails") or row["email"])
