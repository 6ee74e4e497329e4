"""Lists: filters, sorting, search and keyset pages, declared once for each resource."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson
from marshmallow import Schema, fields, validate
from sqlalchemy import ColumnElement, Select, literal, or_, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm_chassis.auth import current_principal, forbidden
from crm_chassis.problems import invalid

M = TypeVar("M")
Column = InstrumentedAttribute[Any]

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
    return Filter(fields.List(field(), validate=validate.Length(1, 100)), column.in_, right)


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


@dataclass(frozen=True, slots=True)
class Page(Generic[M]):
    """Part of a list, and the cursor of the next part, None at the end."""

    items: list[M]
    next_cursor: str | None


class Listing(Generic[M]):
    """How one resource is listed.

    :param sorts: name to a column that is never null; each has an index that ends in the key.
    :param default: the sort when none is asked for; ``-`` in front turns it round.
    :param search: the columns that ``q`` looks into.
    """

    def __init__(
        self,
        model: type[M],
        *,
        sorts: Mapping[str, Column],
        default: str,
        filters: Mapping[str, Filter],
        search: Sequence[Column | Protected] = (),
    ) -> None:
        self._key: Column = model.id  # type: ignore[attr-defined]  # every aggregate has one
        self._sorts = sorts
        self._filters = filters
        self._search = search
        directions = [sign + name for name in sorts for sign in ("", "-")]
        declared: dict[str, Any] = {
            "limit": fields.Integer(
                load_default=DEFAULT_LIMIT, validate=validate.Range(1, MAX_LIMIT)
            ),
            "cursor": fields.String(),
            "sort": fields.String(load_default=default, validate=validate.OneOf(directions)),
            **{name: entry.field for name, entry in filters.items()},
        }
        if search:
            declared["q"] = fields.String(
                validate=validate.Length(1, 100), metadata={"description": "Text to look for."}
            )
        self.schema = Schema.from_dict(declared, name=f"{model.__name__}Query")
        """The query parameters, for ``blueprint.arguments(LISTING.schema, location="query")``."""

    def narrow(self, statement: Select[tuple[M]], query: Mapping[str, Any]) -> Select[tuple[M]]:
        """``statement`` with the query's filters and search.

        :raises Problem: 403 for a filter on a field that the principal may not see in full.
        """
        for name, entry in self._filters.items():
            if name in query:
                if entry.right and not current_principal().may(entry.right):
                    raise forbidden(entry.right)
                statement = statement.where(entry.condition(query[name]))
        if query.get("q"):
            statement = statement.where(self._found(query["q"]))
        return statement

    def _found(self, text: str) -> ColumnElement[bool]:
        principal = current_principal()
        columns = [
            entry.column if isinstance(entry, Protected) else entry
            for entry in self._search
            if not isinstance(entry, Protected) or principal.may(entry.right)
        ]
        return or_(*(column.icontains(text, autoescape=True) for column in columns))

    def page(
        self, session: Session, statement: Select[tuple[M]], query: Mapping[str, Any]
    ) -> Page[M]:
        """One page of ``statement`` after the query's filters, search, sort and cursor.

        :raises Problem: 422 for a cursor that does not belong to this sort.
        """
        sort = query["sort"]
        column, descending = self._sorts[sort.lstrip("-")], sort.startswith("-")
        statement = self.narrow(statement, query)
        if cursor := query.get("cursor"):
            value, key = _decode(cursor, sort, column)
            here = tuple_(column, self._key)
            there = tuple_(literal(value, column.type), literal(key, self._key.type))
            statement = statement.where(here < there if descending else here > there)
        order = (column.desc(), self._key.desc()) if descending else (column, self._key)
        limit = query["limit"]
        found = list(session.scalars(statement.order_by(*order).limit(limit + 1)))
        items = found[:limit]
        if len(found) <= limit:
            return Page(items, None)
        last = items[-1]
        return Page(items, _encode(sort, getattr(last, column.key), getattr(last, self._key.key)))


def _encode(sort: str, value: Any, key: str) -> str:
    text = str(value) if isinstance(value, Decimal) else value
    return base64.urlsafe_b64encode(orjson.dumps([sort, text, key])).decode().rstrip("=")


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


def _decode(cursor: str, sort: str, column: Column) -> tuple[Any, str]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        made_for, value, key = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if made_for != sort:
            raise ValueError(made_for)
        return _READERS[column.type.python_type](value), str(UUID(str(key)))
    except (binascii.Error, ValueError, TypeError, ArithmeticError):
        raise invalid(("cursor", "Not a cursor of this list and sort.")) from None


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
