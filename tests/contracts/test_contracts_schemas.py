"""The examples are events as they go over the wire, and the schemas say exactly what may."""

import copy
import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema_rs
import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from hypothesis import given
from hypothesis import strategies as st

from crm_chassis.events import decode
from crm_contracts import Catalogue, Contract, catalogue
from crm_contracts.catalogue import FOLDER
from crm_contracts.compatibility import RELEASED

CONTRACTS = list(catalogue())
each_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.type)
contracts = st.sampled_from(CONTRACTS)
Path = tuple[str | int, ...]


def data_of(contract: Contract) -> dict[str, Any]:
    data: dict[str, Any] = copy.deepcopy(contract.example["data"])
    return data


def subschemas(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    for child in schema.get("properties", {}).values():
        yield from subschemas(child)
    if "items" in schema:
        yield from subschemas(schema["items"])
    if schema.get("additionalProperties"):
        yield from subschemas(schema["additionalProperties"])


def is_closed(schema: dict[str, Any]) -> bool:
    return schema.get("type") == "object" and schema["additionalProperties"] is False


def paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON document but its root."""
    children = value.items() if isinstance(value, dict) else enumerate(value)
    for name, child in children:
        yield (*at, name)
        if isinstance(child, dict | list):
            yield from paths(child, (*at, name))


def guaranteed(schema: dict[str, Any], value: Any, at: Path = ()) -> Iterator[Path]:
    """Every place in a JSON document of a field that is required there."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from guaranteed(schema["items"], item, (*at, number))
    elif isinstance(value, dict):
        yield from ((*at, name) for name in schema["required"])
        for name, child in schema.get("properties", {}).items():
            if name in value:
                yield from guaranteed(child, value[name], (*at, name))


def parent(document: Any, path: Path) -> Any:
    for name in path[:-1]:
        document = document[name]
    return document


@each_contract
def test_example_keeps_its_contract(contract: Contract) -> None:
    assert contract.check(contract.example["data"]) == []


@each_contract
def test_example_is_a_cloud_event(contract: Contract) -> None:
    event = JSONFormat().read(CloudEvent, json.dumps(contract.example))
    assert event.get_type() == contract.type
    assert event.get_source() == f"/crm/{contract.producer}"
    assert event.get_dataschema() == contract.schema["$id"]
    assert event.get_datacontenttype() == "application/json"
    assert event.get_subject() == event.get_extension("partitionkey") == event.get_data()["id"]


@each_contract
def test_example_keeps_the_envelope(contract: Contract) -> None:
    jsonschema_rs.validate(catalogue().envelope, contract.example, validate_formats=True)


@each_contract
def test_the_chassis_reads_an_example_and_writes_the_same(contract: Contract) -> None:
    assert json.loads(decode(json.dumps(contract.example)).encode()) == contract.example


def test_no_two_examples_have_one_id() -> None:
    ids = [contract.example["id"] for contract in CONTRACTS]
    assert len(set(ids)) == len(ids)


@each_contract
def test_schema_is_self_contained_json_schema(contract: Contract) -> None:
    assert contract.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema_rs.meta.validate(contract.schema)
    assert '"$ref"' not in json.dumps(contract.schema)


@each_contract
def test_strings_lists_and_objects_are_bounded(contract: Contract) -> None:
    for schema in subschemas(contract.schema):
        types = schema.get("type", [])
        if "string" in types:
            assert schema.keys() & {"maxLength", "pattern", "format"}, schema
        if "array" in types:
            assert "maxItems" in schema, schema
        if "object" in types:
            assert schema["additionalProperties"] is False or "maxProperties" in schema, schema


@each_contract
def test_the_whole_state_is_guaranteed(contract: Contract) -> None:
    """Of a new contract; what is added to a released one is optional."""
    guaranteed = {"id", *contract.example["data"]}
    released = RELEASED / f"{contract.type}.json"
    if released.exists():
        guaranteed = set(json.loads(released.read_bytes())["schema"]["required"])
    assert guaranteed <= set(contract.schema["required"])


@given(contract=contracts, choice=st.data())
def test_a_field_unknown_is_refused_from_a_producer_and_passed_to_a_consumer(
    contract: Contract, choice: st.DataObject
) -> None:
    data = data_of(contract)
    closed = {name for name, child in contract.schema["properties"].items() if is_closed(child)}
    objects = [data, *(value for name, value in data.items() if name in closed)]
    choice.draw(st.sampled_from(objects))["shoe_size"] = 43
    assert any("shoe_size" in message for message in contract.check(data))
    assert contract.check(data, lenient=True) == []


def test_a_consumer_passes_fields_unknown_in_the_items_of_a_list(made_up: Catalogue) -> None:
    contract = made_up.contract("crm.sales.parcel.sent.v1")
    data = {"id": "1", "sent_on": "2026-11-22", "stops": [{"city": "Leeds", "dock": 4}]}
    assert contract.check(data)[0].startswith("/stops/0: ")
    assert contract.check(data, lenient=True) == []


@given(contract=contracts, choice=st.data(), lenient=st.booleans())
def test_a_field_missing_is_refused_always(
    contract: Contract, choice: st.DataObject, lenient: bool
) -> None:
    data = data_of(contract)
    path = choice.draw(st.sampled_from([*guaranteed(contract.schema, data)]))
    del parent(data, path)[path[-1]]
    assert any(f'"{path[-1]}"' in message for message in contract.check(data, lenient=lenient))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "42"),
        ("amount", 48210),
        ("amount", "4.8e4"),
        ("amount", "48,210.00"),
        ("amount", "1.00001"),
        ("currency", "usd"),
        ("closed_on", "2026-02-30"),
        ("closed_on", "2026-10-21T00:00:00Z"),
        ("probability", 101),
        ("quantity", -1),
        ("stage_type", "abandoned"),
        ("name", ""),
        ("name", "x" * 201),
        ("name", None),
    ],
)
def test_a_value_out_of_bounds_is_told_by_its_place_and_never_by_itself(
    field: str, value: Any
) -> None:
    contract = catalogue().contract("crm.sales.opportunity.won.v1")
    [message] = contract.check(data_of(contract) | {field: value})
    assert message.startswith(f"/{field}: value ")
    assert not value or str(value) not in message


@pytest.mark.parametrize(
    "value", ["2026-11-09T01:15:03+08:00", "2026-11-09T01:15:03", "2026-11-09 01:15:03Z"]
)
def test_an_instant_is_utc(value: str) -> None:
    contract = catalogue().contract("crm.service-desk.ticket.opened.v1")
    messages = contract.check(data_of(contract) | {"opened_at": value})
    assert messages
    assert all(message.startswith("/opened_at: ") for message in messages)


def test_every_violation_is_told() -> None:
    contract = catalogue().contract("crm.customer.account.created.v1")
    messages = contract.check(data_of(contract) | {"phones": ["+1", 2], "level": "Z"})
    assert sorted(message.split(":")[0] for message in messages) == ["/level", "/phones/1"]


@cache
def as_written(contract: Contract) -> jsonschema_rs.Draft202012Validator:
    """A validator of the schema file itself, which finds the files that it refers to."""
    _, producer, name = contract.type.split(".", 2)
    events = FOLDER / "events"
    files = {path.as_uri(): json.loads(path.read_bytes()) for path in events.rglob("*.json")}
    base = (events / producer / f"{name}.schema.json").as_uri()
    return jsonschema_rs.Draft202012Validator(
        files[base], base_uri=base, retriever=files.__getitem__, validate_formats=True
    )


json_values = st.none() | st.booleans() | st.integers(-5, 200) | st.sampled_from(["", "A", "won"])


@given(contract=contracts, value=json_values, choice=st.data())
def test_the_files_mean_to_any_validator_what_the_bundle_means(
    contract: Contract, value: Any, choice: st.DataObject
) -> None:
    data = data_of(contract)
    path = choice.draw(st.sampled_from([*paths(data), ("shoe_size",), ("change",)]))
    parent(data, path)[path[-1]] = value
    assert as_written(contract).is_valid(data) == (contract.check(data) == [])
