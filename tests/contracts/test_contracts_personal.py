"""Every field that holds a person's data says so, and can be taken out by that mark alone."""

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from crm_contracts import Catalogue, Contract, catalogue
from crm_contracts.schema import EACH_ITEM, FieldPath

CONTRACTS = list(catalogue())
each_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.type)
KINDS = {"name", "phone", "email", "address", "free-text", "other"}
PEOPLE = {"contact", "lead"}
"""Aggregates whose name is a private person's. Staff are named in every report."""
TELLING = re.compile(r"(phone|mobile|fax|email|address|sex|gender|birth)")


def fields(schema: dict[str, Any], at: FieldPath = ()) -> Iterator[FieldPath]:
    """Every field that holds a value, lists by their items; what is marked is one value."""
    if "x-personal" in schema or ("properties" not in schema and "items" not in schema):
        yield at
        return
    for name, child in schema.get("properties", {}).items():
        yield from fields(child, (*at, name))
    if "items" in schema:
        yield from fields(schema["items"], (*at, EACH_ITEM))


def tells_of_a_person(aggregate: str, path: FieldPath) -> bool:
    named = [name for name in (aggregate, *path) if name not in (EACH_ITEM, "change")]
    return bool(TELLING.search(named[-1])) or (named[-1] == "name" and named[-2] in PEOPLE)


def values(data: Any, path: FieldPath) -> list[Any]:
    """What stands at a path, nothing where a field is left out; a list of values as that list."""
    if not path or path == (EACH_ITEM,):
        return [data]
    if path[0] == EACH_ITEM:
        return [value for item in data for value in values(item, path[1:])]
    return values(data[path[0]], path[1:]) if path[0] in data else []


@each_contract
def test_fields_named_like_a_person_s_data_are_marked(contract: Contract) -> None:
    aggregate = contract.type.split(".")[2]
    telling = {path for path in fields(contract.schema) if tells_of_a_person(aggregate, path)}
    assert telling <= set(contract.personal_paths)


@each_contract
def test_marks_are_of_a_known_kind(contract: Contract) -> None:
    assert set(contract.personal.values()) <= KINDS


@pytest.mark.parametrize(
    ("event_type", "personal"),
    [
        (
            "crm.sales.lead.converted.v1",
            {
                ("name",): "name",
                ("phone",): "phone",
                ("email",): "email",
                ("change", "contact", "name"): "name",
                ("change", "contact", "phone"): "phone",
                ("change", "contact", "email"): "email",
            },
        ),
        (
            "crm.customer.account.created.v1",
            {
                ("phones", "*"): "phone",
                ("emails", "*"): "email",
                ("addresses", "*"): "address",
                ("postal_addresses",): "address",
                ("custom",): "other",
            },
        ),
        ("crm.service-desk.ticket.opened.v1", {("subject",): "free-text"}),
        ("crm.gateway.user.created.v1", {("email",): "email"}),
        ("crm.sales.opportunity.won.v1", {}),
    ],
)
def test_where_the_personal_fields_are(event_type: str, personal: dict[FieldPath, str]) -> None:
    assert catalogue().contract(event_type).personal == personal


@each_contract
def test_nothing_personal_is_left_and_nothing_else_is_lost(contract: Contract) -> None:
    data = copy.deepcopy(contract.example["data"])
    bare = contract.without_personal(data)

    assert data == contract.example["data"]
    for path in contract.personal_paths:
        assert all(value in (None, []) for value in values(bare, path))
    for path in set(fields(contract.schema)) - set(contract.personal_paths):
        assert values(bare, path) == values(data, path)


@each_contract
def test_what_is_left_breaks_the_contract_only_where_a_person_must_be_named(
    contract: Contract,
) -> None:
    personal = {f"/{'/'.join(path)}" for path in contract.personal_paths}
    violations = contract.check(contract.without_personal(contract.example["data"]))
    assert {violation.split(":")[0] for violation in violations} <= personal


def test_personal_fields_inside_a_list_of_objects(made_up: Catalogue) -> None:
    contract = made_up.contract("crm.sales.parcel.sent.v1")
    stops = [{"city": "Hangzhou", "receiver": "王芳"}, {"city": "Leeds", "receiver": "Ann Lee"}]
    data = {"id": "1", "sent_on": "2026-11-22", "stops": stops}
    bare = contract.without_personal(data)
    assert bare == {
        "id": "1",
        "sent_on": "2026-11-22",
        "stops": [{"city": "Hangzhou", "receiver": None}, {"city": "Leeds", "receiver": None}],
    }
    assert "王芳" in json.dumps(data, ensure_ascii=False)


@pytest.mark.parametrize("data", [{}, {"id": "1"}, {"stops": None}, {"stops": []}])
def test_a_field_that_is_not_there_stays_away(made_up: Catalogue, data: dict[str, Any]) -> None:
    assert made_up.contract("crm.sales.parcel.sent.v1").without_personal(data) == data


def test_what_a_newer_producer_adds_is_left_out(made_up: Catalogue) -> None:
    data = {"id": "1", "nickname": "小芳", "stops": [{"city": "Leeds", "receiver_phone": "1"}]}
    bare = made_up.contract("crm.sales.parcel.sent.v1").without_personal(data)
    assert bare == {"id": "1", "stops": [{"city": "Leeds"}]}
