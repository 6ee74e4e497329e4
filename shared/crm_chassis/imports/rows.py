"""Rows of a file on their way to aggregates: how they are mapped, and how they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from marshmallow import Schema
from sqlalchemy import FromClause, select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.auth import Principal
from crm_chassis.custom_fields import CustomResource, declared_fields
from crm_chassis.custom_fields.values import cell_fields
from crm_chassis.problems import Problem

Outcome = Literal["created", "changed", "unchanged", "failed"]
Cells = Mapping[str, str]
"""A row as the file has it, by column."""


@dataclass(slots=True)
class Row:
    """One row of a file while it is applied.

    :ivar number: place in the file, the header being row 1.
    :ivar values: the mapped, validated fields; blank cells are not among them.
    :ivar texts: the mapped fields as the file has them.
    :ivar cells: all of it as the file has it.
    """

    number: int
    values: dict[str, Any]
    texts: Mapping[str, str] = field(default_factory=dict)
    cells: Cells = field(default_factory=dict)
    outcome: Outcome = "unchanged"
    errors: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, field_name: str, detail: str) -> None:
        """Leave the row out, because of this field."""
        self.errors.append((field_name, detail))
        self.outcome = "failed"

    @property
    def refused(self) -> bool:
        return self.outcome == "failed"


@dataclass(frozen=True, slots=True)
class Importer:
    """How rows of one resource are written.

    :ivar schema: validates one mapped row; every value comes as text.
    :ivar apply: upserts rows by the key field in the given transaction, sets each row's
        ``outcome`` or refuses it.
    :ivar permission: what the importing principal needs, for all records.
    :ivar keys: the unique fields by which a row may find what it changes.
    :ivar custom: the resource whose custom fields a row may have, as ``custom.<key>``.
    """

    resource: str
    schema: type[Schema]
    apply: Callable[[Session, Principal, str, Sequence[Row]], None]
    permission: str
    keys: Sequence[str] = ("external_id",)
    custom: CustomResource | None = None

    def row_schema(self, session: Session, fed: Collection[str] | None = None) -> Schema:
        """Validates one mapped row, with the custom fields that are declared now.

        :param fed: the fields that a row may have, where not all of them.
        """
        declared = declared_fields(session, self.custom.name) if self.custom else {}
        cells = {name: cell for name, cell in cell_fields(declared).items() if _is_fed(name, fed)}
        own = self.schema().fields.items()
        # not by "only": a dot in a name means to marshmallow what it does not mean here
        unfed = [name for name, cell in own if not (_is_fed(name, fed) or cell.required)]
        return self.schema.from_dict(dict(cells))(exclude=unfed)


def _is_fed(name: str, fed: Collection[str] | None) -> bool:
    return fed is None or name in fed


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """From the columns of a file to the fields of a resource.

    :ivar key: the field by which a row finds what it is to change.
    :ivar columns: column name to the field or fields it feeds.
    :ivar constants: field to the value that every row gets.
    :ivar values: field to aliases: the text in the file to the text that is meant.
    """

    key: str
    columns: Mapping[str, str | list[str]]
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def reader(self) -> Callable[[Mapping[str, str]], dict[str, Any]]:
        """What gives the fields of a row; blank cells give none."""
        constants = dict(self.constants)
        plan = [
            (column, [(target, self.values.get(target, {})) for target in _texts(targets)])
            for column, targets in self.columns.items()
        ]

        def fields_of(cells: Mapping[str, str]) -> dict[str, Any]:
            found: dict[str, Any] = dict(constants)
            for column, targets in plan:
                if text := (cells.get(column) or "").strip():
                    for target, aliases in targets:
                        found[target] = aliases.get(text, text)
            return found

        return fields_of

    def column_of(self, field_name: str) -> str | None:
        """The column that feeds a field, for the error report."""
        return next(
            (column for column, to in self.columns.items() if field_name in _texts(to)), None
        )

    def targets(self) -> Counter[str]:
        """How many columns and constants feed each field."""
        mapped = Counter(target for to in self.columns.values() for target in _texts(to))
        mapped.update(self.constants.keys())
        return mapped


def mapping_errors(
    session: Session, importer: Importer, mapping: FieldMapping
) -> Iterator[tuple[str, str]]:
    """What is wrong with a mapping, as (field, detail)."""
    known, fed = set(importer.row_schema(session).fields), mapping.targets()
    for name in sorted((set(fed) | set(mapping.values)) - known):
        yield name, f"{importer.resource} have no such field."
    for name, times in fed.items():
        if times > 1:
            yield name, "Fed more than once."
    if mapping.key not in importer.keys:
        yield "key", f"Can be: {', '.join(importer.keys)}."
    elif mapping.key not in fed:
        yield mapping.key, "The key is fed by no column."


def resolve(
    session: Session, rows: Sequence[Row], name: str, target: str, table: FromClause
) -> None:
    """Replace what rows call ``name`` by the ``target`` id it stands for in a table.

    A row whose name stands for nothing is refused.
    """
    known = directory.find(session, table, (row.values[name] for row in rows if name in row.values))
    for row in rows:
        if name not in row.values:
            continue
        text = row.values.pop(name)
        if text in known:
            row.values[target] = known[text]
        else:
            row.refuse(name, f"No {name} has this external id or name, or several have the name.")


def resolve_owner(session: Session, rows: Sequence[Row], name: str = "owner") -> None:
    """Replace the user that rows call ``name`` by its id, as :func:`resolve` does; the user's team
    becomes the row's ``team_id``.
    """
    target = f"{name}_id"
    resolve(session, rows, name, target, directory.users)
    teams = directory.teams_of(session, (row.values.get(target) for row in rows))
    for row in rows:
        if target in row.values:
            row.values["team_id"] = teams.get(row.values[target])


def upsert(
    session: Session,
    model: type[Any],
    key: str,
    rows: Sequence[Row],
    *,
    create: Callable[[Session, dict[str, Any]], object],
    change: Callable[[Session, Any, dict[str, Any]], bool],
    instead: Mapping[Any, Any] | None = None,
) -> None:
    """Create or change one aggregate a row, found by its key field, with one query for all.

    A row for which ``create`` or ``change`` raises a Problem is refused; they raise it before they
    change anything.

    :param change: says whether anything was different.
    :param instead: the key of a row to the aggregate it changes though that has another key, which
        it keeps.
    """
    column = getattr(model, key)
    keys = {row.values[key] for row in rows}
    found = session.scalars(select(model).where(column.in_(keys)))
    known = {getattr(entity, key): entity for entity in found} | dict(instead or {})
    for row in rows:
        if row.refused:
            continue
        value = row.values[key]
        try:
            if value not in known:
                known[value] = create(session, row.values)
                row.outcome = "created"
            elif change(session, known[value], _for(known[value], key, row.values)):
                row.outcome = "changed"
        except Problem as problem:
            for name, detail in problem.errors or [(key, problem.detail)]:
                row.refuse(name, detail)


def _for(entity: Any, key: str, values: dict[str, Any]) -> dict[str, Any]:
    """The values that are for an aggregate; a key it has is its own."""
    if getattr(entity, key) in (None, values[key]):
        return values
    return {name: value for name, value in values.items() if name != key}
