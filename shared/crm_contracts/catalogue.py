"""Every event of the platform: its contract, its producer and its consumers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

from crm_contracts.schema import (
    Copier,
    FieldPath,
    Schema,
    SchemaFolder,
    bare_copier,
    personal_fields,
    without_closure,
    without_personal_rules,
)

FOLDER = Path(__file__).parent
_TYPE = re.compile(
    r"crm\.(?P<producer>[a-z-]+)\.(?P<name>[a-z_]+\.[a-z_]+)\.v(?P<version>[1-9]\d*)"
)


class UnknownEventType(KeyError):
    """No contract has this name."""

    def __init__(self, event_type: str) -> None:
        super().__init__(event_type)
        self.event_type = event_type

    def __str__(self) -> str:
        return f"{self.event_type} is not in the catalogue"


@dataclass(frozen=True, eq=False, kw_only=True)
class Contract:
    """What one version of one event promises.

    :ivar type: name of the contract and routing key, ``crm.sales.opportunity.won.v1``.
    :ivar producer: the one service that publishes it.
    :ivar consumers: the services that may subscribe to it.
    :ivar schema: JSON Schema of the event's ``data``, self-contained, without any ``$ref``.
    :ivar example: a whole event in the structured JSON form of CloudEvents.
    """

    type: str
    version: int
    producer: str
    consumers: tuple[str, ...]
    summary: str
    schema: Schema
    example: dict[str, Any]

    def check(self, data: dict[str, Any], *, lenient: bool = False) -> list[str]:
        """Hold an event's ``data`` to the contract.

        A producer checks strictly. A consumer checks leniently, because the producer may already
        publish fields that were added after the consumer was released.

        :param data: JSON values only; a date or a Decimal must be a string by now.
        :param lenient: let fields pass that the contract does not name.
        :return: one message for each violation, ``/phones/0: value is not of type "string"``;
            empty when there is none. Values are never in it: it may go into logs.
        """
        return _violations(self._lenient_validator if lenient else self._validator, data)

    def check_bare(self, data: dict[str, Any]) -> list[str]:
        """Hold a copy made by :meth:`without_personal` to the contract, leniently.

        :return: as :meth:`check`, but for what is required of personal fields.
        """
        return _violations(self._bare_validator, data)

    @cached_property
    def personal(self) -> dict[FieldPath, str]:
        """The kind of each personal field: name, phone, email, address, free-text or other."""
        return dict(personal_fields(self.schema))

    @property
    def personal_paths(self) -> tuple[FieldPath, ...]:
        """Where the personal fields are: ``("phone",)``, ``("phones", "*")``."""
        return tuple(self.personal)

    def without_personal(self, data: dict[str, Any]) -> dict[str, Any]:
        """A copy of ``data`` that tells of no person.

        A personal value becomes ``None``, a list of them becomes ``[]``; the field stays, so that a
        handler reads the copy as it reads the event. A field that the contract does not name is
        left out: it may be a personal one of a newer producer. The copy keeps the contract except
        where a personal field may not be null, as a contact's name. Untouched parts are shared
        with ``data``, not copied.
        """
        bare: dict[str, Any] = self._bare_copier(data)
        return bare

    @cached_property
    def _bare_copier(self) -> Copier:
        return bare_copier(self.schema) or dict

    @cached_property
    def _validator(self) -> jsonschema_rs.Draft202012Validator:
        return _compiled(self.schema)

    @cached_property
    def _lenient_validator(self) -> jsonschema_rs.Draft202012Validator:
        return _compiled(without_closure(self.schema))

    @cached_property
    def _bare_validator(self) -> jsonschema_rs.Draft202012Validator:
        return _compiled(without_personal_rules(without_closure(self.schema)))


def _compiled(schema: Schema) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(
        schema, validate_formats=True, offline=True, mask="value"
    )


def _violations(validator: jsonschema_rs.Draft202012Validator, data: Any) -> list[str]:
    if validator.is_valid(data):
        return []
    return [
        f"/{'/'.join(map(str, error.instance_path))}: {error.message}"
        for error in validator.iter_errors(data)
    ]


class Catalogue:
    """All contracts, by event type.

    :ivar services: the services that may produce and consume.
    :ivar envelope: JSON Schema of what is around ``data``: the CloudEvents attributes.
    """

    def __init__(
        self, contracts: Iterable[Contract], services: Iterable[str], envelope: Schema
    ) -> None:
        self.services = tuple(services)
        self.envelope = envelope
        self._contracts = {contract.type: contract for contract in contracts}

    @classmethod
    def load(cls, folder: Path) -> Catalogue:
        """Read ``catalogue.yaml`` and the schemas and examples under ``events/``.

        :raises ValueError: for an event type that is not
            ``crm.<producer>.<noun>.<verb>.v<version>``.
        :raises OSError: for an event without its schema or example.
        """
        index = yaml.safe_load((folder / "catalogue.yaml").read_text("utf-8"))
        schemas = SchemaFolder(folder / "events")
        return cls(
            (_contract(folder, schemas, name, entry) for name, entry in index["events"].items()),
            index["services"],
            schemas.bundle("cloudevent.json"),
        )

    def __iter__(self) -> Iterator[Contract]:
        return iter(self._contracts.values())

    @property
    def types(self) -> tuple[str, ...]:
        """Every event type, in the catalogue's order."""
        return tuple(self._contracts)

    def contract(self, event_type: str) -> Contract:
        """The contract of an event type.

        :raises UnknownEventType: when there is none.
        """
        try:
            return self._contracts[event_type]
        except KeyError:
            raise UnknownEventType(event_type) from None

    def produced_by(self, service: str) -> tuple[Contract, ...]:
        """What ``service`` publishes."""
        return tuple(c for c in self if c.producer == service)

    def consumed_by(self, service: str) -> tuple[Contract, ...]:
        """What ``service`` may subscribe to."""
        return tuple(c for c in self if service in c.consumers)


def _contract(
    folder: Path, schemas: SchemaFolder, event_type: str, entry: dict[str, Any]
) -> Contract:
    parts = _TYPE.fullmatch(event_type)
    if parts is None or parts["producer"] != entry["producer"]:
        raise ValueError(
            f"{event_type} of {entry['producer']} is not crm.<producer>.<noun>.<verb>.v<version>"
        )
    stem = f"{parts['producer']}/{parts['name']}.v{parts['version']}"
    # The id is given here, not in the file, where it would turn the file's relative references.
    identity = {"$id": f"urn:{event_type.replace('.', ':')}"}
    return Contract(
        type=event_type,
        version=int(parts["version"]),
        producer=entry["producer"],
        consumers=tuple(entry["consumers"]),
        summary=entry["summary"],
        schema=identity | schemas.bundle(f"{stem}.schema.json"),
        example=json.loads((folder / "events" / f"{stem}.example.json").read_bytes()),
    )


@cache
def catalogue() -> Catalogue:
    """The platform's catalogue, read once."""
    return Catalogue.load(FOLDER)
