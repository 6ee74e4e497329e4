"""Lists: filters, sorting, search and keyset pages, declared once for each resource."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from operator import attrgetter
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from uuid import UUID

import orjson
from marshmallow import Schema, fields, validate
from sqlalchemy import Column as TableColumn
from sqlalchemy import ColumnElement, Select, false, literal, or_, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm_chassis.auth import current_principal, forbidden
from crm_chassis.fields import Reference
from crm_chassis.problems import invalid

M = TypeVar("M")
T = TypeVar("T")
Column = InstrumentedAttribute[Any]
Ordering = Column | ColumnElement[Any]

DEFAULT_LIMIT = 25
MAX_LIMIT = 200


@dataclass(frozen=True, slots=True)
class Filter:
    """A query parameter that narrows a list.

    :ivar field: validates the parameter's value.
    :ivar condition: builds the condition from that value.
    :ivar right: the field right that using it needs, so that a mask cannot be guessed around.
    """

    field: fields.Field[Any]
    condition: Callable[[Any], ColumnElement[bool]]
    right: str | None = None


def equals(
    column: Column, field: type[fields.Field[Any]] = fields.String, right: str | None = None
) -> Filter:
    """``?stage=won``, or one of several: ``?stage=won&stage=lost``."""
    return Filter(one_or_several(field()), column.in_, right)


def one_or_several(field: fields.Field[Any]) -> fields.Field[Any]:
    """A parameter that may be repeated."""
    return fields.List(field, validate=validate.Length(1, 100))


def at_least(column: Column, field: type[fields.Field[Any]]) -> Filter:
    """``?amount_from=100``: that or more."""
    return Filter(field(), lambda value: column >= value)


def at_most(column: Column, field: type[fields.Field[Any]]) -> Filter:
    """``?amount_to=100``: that or less."""
    return Filter(field(), lambda value: column <= value)


@dataclass(frozen=True, slots=True)
class Protected:
    """A column that is searched only for those who have the right to see it in full."""

    column: Column
    right: str


Search = Callable[[str], ColumnElement[bool]]
"""The condition on rows in which the current principal finds a text; it has an index of its own."""


@dataclass(frozen=True, slots=True)
class Sort:
    """An order of a list.

    :ivar expression: what the database sorts by, never null.
    :ivar value_of: the same of an entity.
    :ivar right: the field right that using it needs.
    """

    expression: Ordering
    value_of: Callable[[Any], Any]
    right: str | None = None


class Declared(Protocol):
    """Filters and sorts that come and go while the service runs; each name has a dot.

    A mapping stays the same object until it changes.
    """

    resource: str

    def filters(self) -> Mapping[str, Filter]: ...

    def sorts(self) -> Mapping[str, Sort]: ...


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Part of a list, and the cursor of the next part, None at the end."""

    items: list[M]
    next_cursor: str | None


def page_of(found: Sequence[M], limit: int, cursor_of: Callable[[M], str]) -> Page[M]:
    """A page of ``limit`` rows out of those found, one more than that if there is another page."""
    items = list(found[:limit])
    return Page(items, cursor_of(items[-1]) if len(found) > limit else None)


LIMIT = fields.Integer(load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT))
"""The parameter that says how long a page is, for the schema of a query."""


class PageQuery(Schema):
    """Which page of a list: the one after the row whose id is the cursor."""

    limit = LIMIT
    cursor = Reference()


def after_row(
    time: TableColumn[Any], key: TableColumn[Any], last: str, *, newest_first: bool = False
) -> ColumnElement[bool]:
    """The rows after the one whose key is ``last``, in the order of their times and keys.

    None where there is no such row.
    """
    table = key.table.alias()
    its_time = select(table.c[time.name]).where(table.c[key.name] == last).scalar_subquery()
    row, last_row = tuple_(time, key), tuple_(its_time, literal(last, key.type))
    return row < last_row if newest_first else row > last_row


class Listing(Generic[M]):
    """How one resource is listed.

    :param sorts: name to a column that is never null; each has an index that ends in the key.
    :param default: the sort when none is asked for; ``-`` in front turns it round.
    :param search: the columns that ``q`` looks into, or the condition it makes.
    :param declared: further filters and sorts, those of custom fields.
    """

    def __init__(
        self,
        model: type[M],
        *,
        sorts: Mapping[str, Column],
        default: str,
        filters: Mapping[str, Filter],
        search: Sequence[Column | Protected] | Search = (),
        declared: Declared | None = None,
    ) -> None:
        self._key: Column = model.id  # type: ignore[attr-defined]  # every aggregate has one
        self._sorts = {name: Sort(column, attrgetter(column.key)) for name, column in sorts.items()}
        self._filters = filters
        self._search = search
        self._declared = declared
        parameters: dict[str, Any] = {
            "limit": LIMIT,
            "cursor": fields.String(),
            "sort": fields.String(load_default=default, validate=_directions(sorts)),
            **{name: entry.field for name, entry in filters.items()},
        }
        if search:
            parameters["q"] = fields.String(
                validate=validate.Length(1, 100), metadata={"description": "Text to look for."}
            )
        base = DeclaredQuery if declared else Schema
        self.schema = base.from_dict(parameters, name=f"{model.__name__}Query")
        """The query parameters, for ``blueprint.arguments(LISTING.schema, location="query")``."""
        if issubclass(self.schema, DeclaredQuery):
            self.schema.listing = self
        self._default = default
        self._present: tuple[Mapping[str, Filter], Schema] | None = None

    def narrow(self, statement: Select[tuple[M]], query: Mapping[str, Any]) -> Select[tuple[M]]:
        """``statement`` with the query's filters and search.

        :raises Problem: 403 for a filter on a field that the principal may not see in full.
        """
        declared = self._declared.filters() if self._declared else {}
        for name, given in _flat(query).items():
            entry = self._filters.get(name) or declared.get(name)
            if entry is None and "." in name:  # taken back since the query was read
                raise invalid((name, "No such filter any more."))
            if entry is not None:
                if entry.right and not current_principal().may(entry.right):
                    raise forbidden(entry.right)
                statement = statement.where(entry.condition(given))
        if query.get("q"):
            statement = statement.where(self._found(query["q"]))
        return statement

    def _found(self, text: str) -> ColumnElement[bool]:
        if callable(self._search):
            return self._search(text)
        principal = current_principal()
        columns = [
            entry.column if isinstance(entry, Protected) else entry
            for entry in self._search
            if not isinstance(entry, Protected) or principal.may(entry.right)
        ]
        found = (column.icontains(text, autoescape=True) for column in columns)
        return or_(false(), *found)  # nothing, where no column may be searched

    def page(
        self, session: Session, statement: Select[tuple[M]], query: Mapping[str, Any]
    ) -> Page[M]:
        """One page of ``statement`` after the query's filters, search, sort and cursor.

        :raises Problem: 422 for a cursor that does not belong to this sort.
        """
        name, descending = query["sort"].lstrip("-"), query["sort"].startswith("-")
        sort = self._sort(name)
        statement = self.narrow(statement, query)
        if cursor := query.get("cursor"):
            value, key = _decode(cursor, query["sort"], sort.expression)
            here = tuple_(sort.expression, self._key)
            there = tuple_(literal(value, sort.expression.type), literal(key, self._key.type))
            statement = statement.where(here < there if descending else here > there)
        order = [each.desc() if descending else each for each in (sort.expression, self._key)]
        limit = query["limit"]
        found = session.scalars(statement.order_by(*order).limit(limit + 1)).all()

        def cursor_of(last: M) -> str:
            return _encode(query["sort"], sort.value_of(last), getattr(last, self._key.key))

        return page_of(found, limit, cursor_of)

    def _sort(self, name: str) -> Sort:
        if name in self._sorts:
            return self._sorts[name]
        sort = self._declared.sorts().get(name) if self._declared else None
        if sort is None:
            raise invalid(("sort", "No such sort any more."))
        if sort.right and not current_principal().may(sort.right):
            raise forbidden(sort.right)
        return sort

    @property
    def declared_for(self) -> str | None:
        """The resource whose custom fields it is filtered and sorted by."""
        return self._declared.resource if self._declared else None

    def with_declared(self) -> Schema:
        """The query parameters as they are now, those that are declared among them."""
        if self._declared is None:
            return self.schema()
        filters, known = self._declared.filters(), self._present
        if known is None or known[0] is not filters:
            names = {*self._sorts, *self._declared.sorts()}
            sort = fields.String(load_default=self._default, validate=_directions(names))
            declared = {name: entry.field for name, entry in filters.items()}
            parameters = {**declared, "sort": sort}
            known = self._present = (filters, self.schema.from_dict(parameters)())
        return known[1]


class DeclaredQuery(Schema):
    """The parameters of a list to which some are added while the service runs."""

    listing: ClassVar[Listing[Any]]


def _directions(names: Iterable[str]) -> validate.OneOf:
    return validate.OneOf([sign + name for name in names for sign in ("", "-")])


def _flat(query: Mapping[str, Any]) -> dict[str, Any]:
    """The query by the parameters' names; what has a dot in it was read into a dictionary."""
    flat: dict[str, Any] = {}
    for name, value in query.items():
        nested = value if isinstance(value, dict) else {}
        flat |= {f"{name}.{key}": each for key, each in nested.items()} or {name: value}
    return flat


def encode_cursor(*parts: Any) -> str:
    """A cursor that holds these JSON values."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


def decode_cursor(cursor: str, read: Callable[..., T]) -> T:
    """What ``read`` makes of the values that a cursor holds.

    :raises Problem: 422 where it holds others, and ``read`` raises ValueError or the like.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return read(*orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True)))
    except (binascii.Error, ValueError, TypeError, AttributeError, ArithmeticError):
        raise invalid(("cursor", "Not a cursor of this list.")) from None


def _encode(sort: str, value: Any, key: str) -> str:
    return encode_cursor(sort, str(value) if isinstance(value, Decimal) else value, key)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(text)
    return instant.astimezone(UTC)


def _amount(text: str) -> Decimal:
    amount = Decimal(text)
    if not amount.is_finite():
        raise ValueError(text)
    return amount


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(value)
    return value


_READERS: dict[type, Callable[[Any], Any]] = {
    datetime: _instant,
    date: date.fromisoformat,
    Decimal: _amount,
    int: int,
    str: _text,
}
"""What a cursor holds comes from outside, and is read as strictly as any other parameter."""


def _decode(cursor: str, sort: str, column: Ordering) -> tuple[Any, str]:
    def read(made_for: str, value: Any, key: str) -> tuple[Any, str]:
        if made_for != sort:
            raise ValueError(made_for)
        return _READERS[column.type.python_type](value), str(UUID(key))

    return decode_cursor(cursor, read)


@cache
def page_schema(item: type[Schema]) -> type[Schema]:
    """The schema of a page of ``item``."""
    name = item.__name__.removesuffix("Schema") + "Page"
    return Schema.from_dict(
        {
            "items": fields.List(fields.Nested(item)),
            "next_cursor": fields.String(allow_none=True),
        },
        name=name,
    )
