"""What one version of a service publishes and handles, with the contracts it was built with."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from crm_contracts.catalogue import Catalogue
from crm_contracts.schema import Schema


class MalformedStatement(ValueError):
    """The document is no statement; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One version of a service, as the others see it.

    :ivar publishes: the schema of each event type that it publishes.
    :ivar meant_for: the services that each of those is meant for.
    :ivar handles: the schema by which it reads each event type that it handles.
    """

    service: str
    version: str
    publishes: Mapping[str, Schema]
    meant_for: Mapping[str, tuple[str, ...]]
    handles: Mapping[str, Schema]

    def __str__(self) -> str:
        return f"{self.service} {self.version}"

    def document(self) -> dict[str, Any]:
        """The statement as JSON values."""
        return {
            "service": self.service,
            "version": self.version,
            "publishes": {
                name: {"consumers": list(self.meant_for[name]), "schema": schema}
                for name, schema in self.publishes.items()
            },
            "handles": {name: {"schema": schema} for name, schema in self.handles.items()},
        }


def state(
    service: str, version: str, catalogue: Catalogue, handled: Container[str] | None = None
) -> Statement:
    """The statement of a service that is built with this catalogue.

    :param handled: what it has handlers for, if that may not be all that it is listed for.
    """
    published = catalogue.produced_by(service)
    return Statement(
        service=service,
        version=version,
        publishes={contract.type: contract.schema for contract in published},
        meant_for={contract.type: contract.consumers for contract in published},
        handles={
            contract.type: contract.schema
            for contract in catalogue.consumed_by(service)
            if handled is None or contract.type in handled
        },
    )


def read_statement(text: str | bytes) -> Statement:
    """Read a statement from its JSON form.

    :raises MalformedStatement: when it is none.
    """
    try:
        document = json.loads(text)
        return Statement(
            service=document["service"],
            version=document["version"],
            publishes={name: part["schema"] for name, part in document["publishes"].items()},
            meant_for={name: tuple(p["consumers"]) for name, p in document["publishes"].items()},
            handles={name: part["schema"] for name, part in document["handles"].items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise MalformedStatement(f"no statement of contracts: {error!r}") from None
