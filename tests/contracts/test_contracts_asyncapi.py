"""The AsyncAPI document tells of every event, and of who sends and receives it."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import pytest

from crm_contracts import Contract, catalogue
from crm_contracts.asyncapi import document

DOCUMENT = document(catalogue())
CONTRACTS = list(catalogue())
each_contract = pytest.mark.parametrize("contract", CONTRACTS, ids=lambda contract: contract.type)


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"]
        for child in node.values():
            yield from references(child)
    elif isinstance(node, list):
        for child in node:
            yield from references(child)


def target(reference: str) -> Any:
    node: Any = DOCUMENT
    assert reference.startswith("#/"), reference
    for name in reference.split("/")[1:]:
        node = node[name]
    return node


def address(channel: dict[str, str]) -> str:
    routing_key: str = target(channel["$ref"])["address"]
    return routing_key


def payload_validator(event_type: str) -> jsonschema_rs.Draft7Validator:
    """AsyncAPI's schemas are a superset of JSON Schema draft 7."""
    payload = f"#/components/messages/{event_type}/payload"
    return jsonschema_rs.Draft7Validator(
        {"components": DOCUMENT["components"], "allOf": [{"$ref": payload}]}, validate_formats=True
    )


def test_document_has_the_fields_of_asyncapi_3() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert DOCUMENT["info"]["title"]
    assert re.fullmatch(r"\d+\.\d+\.\d+", DOCUMENT["info"]["version"])
    assert DOCUMENT["defaultContentType"] == "application/cloudevents+json"
    assert DOCUMENT.keys() <= {
        *("asyncapi", "id", "info", "servers", "defaultContentType"),
        *("channels", "operations", "components"),
    }


def test_every_reference_resolves_within_the_document() -> None:
    for reference in references(DOCUMENT):
        assert target(reference)


def test_component_names_are_allowed_ones() -> None:
    for components in DOCUMENT["components"].values():
        for name in components:
            assert re.fullmatch(r"[a-zA-Z0-9.\-_]+", name)


@each_contract
def test_every_event_is_a_routing_key_of_the_topic_exchange(contract: Contract) -> None:
    channel = DOCUMENT["channels"][contract.type]
    assert channel["address"] == contract.type
    assert channel["bindings"]["amqp"]["is"] == "routingKey"
    exchange = channel["bindings"]["amqp"]["exchange"]
    assert (exchange["name"], exchange["type"], exchange["durable"]) == (
        "crm.events",
        "topic",
        True,
    )


def test_operations_are_what_the_catalogue_says() -> None:
    told = {
        (operation["tags"][0]["name"], operation["action"], address(operation["channel"]))
        for operation in DOCUMENT["operations"].values()
    }
    sent = {(contract.producer, "send", contract.type) for contract in CONTRACTS}
    received = {
        (consumer, "receive", contract.type)
        for contract in CONTRACTS
        for consumer in contract.consumers
    }
    assert told == sent | received


def test_operations_name_the_message_of_their_channel() -> None:
    for operation in DOCUMENT["operations"].values():
        channel = operation["channel"]["$ref"]
        [message] = operation["messages"]
        assert message["$ref"] == f"{channel}/messages/{address(operation['channel'])}"


@each_contract
def test_message_takes_its_example_and_no_other_event(contract: Contract) -> None:
    message = DOCUMENT["components"]["messages"][contract.type]
    [example] = message["examples"]
    validator = payload_validator(contract.type)
    assert validator.is_valid(example["payload"])
    for other in CONTRACTS:
        assert validator.is_valid(other.example) == (other is contract)


@pytest.mark.parametrize("attribute", ["source", "dataschema", "time", "sequence", "data"])
def test_message_refuses_a_foreign_envelope(attribute: str) -> None:
    won = catalogue().contract("crm.sales.opportunity.won.v1")
    opened = catalogue().contract("crm.service-desk.ticket.opened.v1")
    foreign = opened.example | {"time": "today", "sequence": "1"}
    validator = payload_validator(won.type)
    assert not validator.is_valid(won.example | {attribute: foreign[attribute]})


def test_personal_marks_are_kept() -> None:
    schema = DOCUMENT["components"]["schemas"]["crm.sales.lead.created.v1"]
    assert schema["properties"]["phone"]["x-personal"] == "phone"


def test_command_prints_it() -> None:
    printed = subprocess.run(
        [sys.executable, "-m", "crm_contracts", "asyncapi"], capture_output=True, check=True
    )
    assert json.loads(printed.stdout) == DOCUMENT
