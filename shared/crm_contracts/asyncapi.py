"""The AsyncAPI 3.0 document of the platform's events, made from the catalogue.

https://www.asyncapi.com/docs/reference/specification/v3.0.0 and, for the bindings,
https://github.com/asyncapi/bindings/tree/master/amqp
"""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from crm_contracts.catalogue import Catalogue, Contract
from crm_contracts.schema import Schema

EXCHANGE = "crm.events"
CONTENT_TYPE = "application/cloudevents+json"

_BINDING = {"bindingVersion": "0.3.0"}
_TOPIC_EXCHANGE = {
    "name": EXCHANGE,
    "type": "topic",
    "durable": True,
    "autoDelete": False,
}
_DESCRIPTION = f"""\
What the services of the CRM tell each other, and anyone who may listen.

Every event is a CloudEvent 1.0 in structured JSON, published to the topic exchange `{EXCHANGE}`
with its type as routing key. Delivery is at least once and in no promised order: tell repeats by
`id`, and the newer of two states of one aggregate by `sequence`.

A contract grows only by fields. Ignore the fields that you do not know. What a field marked
`x-personal` holds is a person's data."""


def document(catalogue: Catalogue) -> dict[str, Any]:
    """The AsyncAPI document, as JSON values.

    Each event type is a channel. Each service has an operation ``send`` for what it produces and
    ``receive`` for what it consumes, tagged with its name.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "CRM events",
            "version": version("crm-shared"),
            "description": _DESCRIPTION,
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {contract.type: _channel(contract) for contract in catalogue},
        "operations": _operations(catalogue),
        "components": {
            "messages": {contract.type: _message(contract) for contract in catalogue},
            "schemas": {"CloudEvent": _embedded(catalogue.envelope)}
            | {contract.type: _embedded(contract.schema) for contract in catalogue},
        },
    }


def _channel(contract: Contract) -> dict[str, Any]:
    return {
        "address": contract.type,
        "title": contract.schema["title"],
        "summary": contract.summary,
        "messages": {contract.type: {"$ref": f"#/components/messages/{contract.type}"}},
        "bindings": {"amqp": _BINDING | {"is": "routingKey", "exchange": _TOPIC_EXCHANGE}},
    }


def _operations(catalogue: Catalogue) -> dict[str, Any]:
    operations: dict[str, Any] = {}
    for service in catalogue.services:
        for contract in catalogue.produced_by(service):
            operations[f"{service}.send.{contract.type}"] = _operation("send", service, contract)
        for contract in catalogue.consumed_by(service):
            operations[f"{service}.receive.{contract.type}"] = _operation(
                "receive", service, contract
            )
    return operations


def _operation(action: str, service: str, contract: Contract) -> dict[str, Any]:
    channel = f"#/channels/{contract.type}"
    amqp = {"deliveryMode": 2} if action == "send" else {"ack": True}
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{contract.type}"}],
        "tags": [{"name": service}],
        "bindings": {"amqp": _BINDING | amqp},
    }


def _message(contract: Contract) -> dict[str, Any]:
    return {
        "name": contract.type,
        "title": contract.schema["title"],
        "summary": contract.summary,
        "contentType": CONTENT_TYPE,
        "correlationId": {"location": "$message.payload#/correlationid"},
        "payload": {
            "allOf": [
                {"$ref": "#/components/schemas/CloudEvent"},
                {
                    "type": "object",
                    "properties": {
                        "type": {"const": contract.type},
                        "source": {"const": f"/crm/{contract.producer}"},
                        "dataschema": {"const": contract.schema["$id"]},
                        "data": {"$ref": f"#/components/schemas/{contract.type}"},
                    },
                },
            ]
        },
        "bindings": {"amqp": _BINDING | {"messageType": contract.type}},
        "examples": [{"name": "example", "payload": contract.example}],
    }


def _embedded(schema: Schema) -> Schema:
    """``schema`` as a part of the document, which identifies it and states the dialect itself."""
    return {key: value for key, value in schema.items() if key not in ("$schema", "$id")}
