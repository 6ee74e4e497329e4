"""What is declared: the table, and the declarations as a process knows them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    FromClause,
    Index,
    Integer,
    Select,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from crm_chassis.database import Database, Json, UTCDateTime, chassis_metadata

TYPES = (
    "text",
    "number",
    "decimal",
    "date",
    "choice",
    "multiple_choice",
    "boolean",
    "reference",
)

custom_fields = Table(
    "custom_fields",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("resource", String(60), nullable=False),
    Column("key", String(40), nullable=False),
    Column("label", String(200), nullable=False),
    Column("type", String(20), nullable=False),
    Column("options", Json, nullable=False),
    Column("target", String(60)),
    Column("required", Boolean, nullable=False),
    Column("personal", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    UniqueConstraint("resource", "key"),
)

_AGE_SECONDS = 1.0
_CHANGED = "crm_custom_fields_changed"


class Customised:
    """The column of an aggregate whose fields users add to.

    :ivar custom: key to value, as JSON has it: a decimal is a string, a day ``YYYY-MM-DD``.
    """

    custom: Mapped[dict[str, Any]] = mapped_column(Json, default=dict, server_default="{}")


def custom_index(table: str) -> Index:
    """The index that finds records by the value of any custom field; on PostgreSQL alone."""
    index = Index(
        f"{table}_by_custom",
        "custom",
        postgresql_using="gin",
        postgresql_ops={"custom": "jsonb_path_ops"},
    )
    return index.ddl_if(dialect="postgresql")


@dataclass(frozen=True, slots=True)
class ReferenceTarget:
    """What a custom field of the type ``reference`` may point to.

    :ivar table: has ``id``, ``name`` and ``external_id``.
    :ivar reachable: selects the ids that the current principal may point to.
    """

    table: FromClause
    reachable: Callable[[], Select[tuple[str]]]


@dataclass(frozen=True, slots=True)
class CustomResource:
    """A resource that takes custom fields.

    :ivar model: its :class:`Customised` aggregate, whose table bears the resource's name.
    :ivar right: the field right that shows the values of personal fields.
    :ivar targets: what its references may point to, by name.
    """

    model: type[Any]
    right: str
    targets: Mapping[str, ReferenceTarget] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.model.__tablename__)


@dataclass(frozen=True, slots=True)
class CustomField:
    """A declared field.

    :ivar options: what can be chosen, for the types of choice; in the order of the lists.
    :ivar target: what is pointed to, for the type ``reference``.
    :ivar personal: tells of a person: shown only to those with the resource's right.
    """

    key: str
    label: str
    type: str
    options: tuple[str, ...]
    target: str | None
    required: bool
    personal: bool


Declared = Mapping[str, CustomField]
"""The active fields of one resource by key, in the order of their declaration."""

_NONE: Declared = {}


def declared_fields(session: Session, resource: str) -> Declared:
    """The active fields of a resource, read now."""
    return _read(session).get(resource, _NONE)


def _read(session: Session) -> dict[str, dict[str, CustomField]]:
    columns = custom_fields.c
    statement = select(custom_fields).where(columns.active).order_by(columns.created_at, columns.id)
    found: dict[str, dict[str, CustomField]] = {}
    for row in session.execute(statement):
        found.setdefault(row.resource, {})[row.key] = CustomField(
            row.key,
            row.label,
            row.type,
            tuple(row.options),
            row.target,
            row.required,
            row.personal,
        )
    return found


def mark_changed(session: Session) -> None:
    """Let this process read the declarations anew once the transaction has committed."""
    session.info[_CHANGED] = True


class Declarations:
    """The declared fields of a service, at most a second old.

    Several processes answer requests, and none tells the others of a declaration; so each reads
    them again after a second, and at once where a request names a field that it does not know.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._fields: Mapping[str, Declared] = {}
        self._read_at = float("-inf")
        database.after_commit.append(self._notice)

    def of(self, resource: str) -> Declared:
        """The active fields; the same object until they change."""
        if time.monotonic() - self._read_at > _AGE_SECONDS:
            self.read()
        return self._fields.get(resource, _NONE)

    def knowing(self, resource: str, keys: set[str]) -> Declared:
        """The active fields, among them all of ``keys`` that any process has declared."""
        declared = self.of(resource)
        if keys <= declared.keys():
            return declared
        self.read()
        return self.of(resource)

    def read(self) -> None:
        """Ask the database."""
        with self._lock, self._database.reading() as session:
            asked_at = time.monotonic()
            found = _read(session)
            if found != self._fields:
                self._fields = found
            self._read_at = asked_at

    def _notice(self, session: Session) -> None:
        if session.info.pop(_CHANGED, False):
            self._read_at = float("-inf")
