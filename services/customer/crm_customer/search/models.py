"""The columns by which a customer is found, set with every change of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect, Index, Text, event, inspect, text
from sqlalchemy.orm import Mapped, Mapper, mapped_column
from sqlalchemy.orm.attributes import PASSIVE_NO_INITIALIZE
from sqlalchemy.types import UserDefinedType

from crm_customer.search import folding
from crm_customer.search.terms import terms_of

_SOURCES = ("name", "emails", "phones", "tags")


class Terms(UserDefinedType[Sequence[int]]):
    """``integer[]`` on PostgreSQL. SQLite has no index for it, and keeps nothing."""

    cache_ok = True

    def get_col_spec(self, **_kwargs: Any) -> str:
        return "integer[]"

    def bind_processor(self, dialect: Dialect) -> Callable[[Any], str | None]:
        kept = dialect.name == "postgresql"
        return lambda value: _array(value) if kept and value is not None else None

    def literal_processor(self, dialect: Dialect) -> Callable[[Any], str]:
        return lambda value: f"'{_array(value)}'::integer[]"


def _array(numbers: Sequence[int]) -> str:
    return f"{{{','.join(map(str, numbers))}}}"


class Searchable:
    """What is found by its name, e-mail addresses, telephone numbers and tags.

    :ivar searched: the first two, folded, a line each; None in a row that waits to be indexed.
    :ivar searched_phones: the numbers' digits, a line each.
    :ivar terms: what of all that the index holds.
    """

    searched: Mapped[str | None] = mapped_column(Text, deferred=True)
    searched_phones: Mapped[str | None] = mapped_column(Text, deferred=True)
    terms: Mapped[Sequence[int] | None] = mapped_column(Terms, deferred=True)


def search_indexes(table: str) -> tuple[Index, Index]:
    """The indexes of a searchable table: of the terms, and of the rows that wait to be indexed."""
    waiting = text("searched IS NULL")
    return (
        Index(f"{table}_by_terms", "terms", postgresql_using="gin").ddl_if(dialect="postgresql"),
        Index(f"{table}_unsearched", "id", postgresql_where=waiting, sqlite_where=waiting),
    )


class Customer(Protocol):
    """What is searched of a customer; None is nothing yet."""

    name: str
    emails: Sequence[str] | None
    phones: Sequence[str] | None
    tags: Sequence[str] | None


def columns_for(customer: Customer) -> dict[str, str | list[int]]:
    """The columns of :class:`Searchable` for a customer."""
    texts = [folding.folded(text) for text in (customer.name, *(customer.emails or ()))]
    digits = [folding.digits_of(phone) for phone in customer.phones or ()]
    return {
        "searched": folding.lines(texts),
        "searched_phones": folding.digit_lines(digits),
        "terms": terms_of(texts, digits, customer.tags or ()),
    }


@event.listens_for(Searchable, "before_insert", propagate=True)
def _on_insert(_mapper: Mapper[Any], _connection: Connection, row: Any) -> None:
    for name, value in columns_for(row).items():
        setattr(row, name, value)


@event.listens_for(Searchable, "before_update", propagate=True)
def _on_update(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    state = inspect(row)
    histories = (state.get_history(name, PASSIVE_NO_INITIALIZE) for name in _SOURCES)
    if any(history.has_changes() for history in histories):
        _on_insert(mapper, connection, row)
