"""A search as a condition on rows: by the index where there is one, then by the text itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Integer, bindparam, false, or_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from crm_chassis.auth import current_principal
from crm_customer.search import terms
from crm_customer.search.folding import digits_of, folded, number_in
from crm_customer.search.models import Searchable, Terms
from crm_customer.search.terms import Probe


class _HasAll(FunctionElement[bool]):
    """That a row has all of some terms. Only PostgreSQL is asked, which has them in an index."""

    type = Boolean()
    inherit_cache = True


class _HasAny(_HasAll):
    """That a row has one of some terms."""

    inherit_cache = True


class _Place(FunctionElement[int]):
    """Where a text stands in another one: 1 at its beginning, 0 when it does not.

    Not LIKE: from its pattern the planner guesses again how many rows there are, and takes the
    guess for one that is independent of what it knows from the terms.
    """

    type = Integer()
    inherit_cache = True


@compiles(_HasAll)
@compiles(_HasAny)
def _on_sqlite(_element: _HasAll, _compiler: SQLCompiler, **_kwargs: Any) -> str:
    return "1"


@compiles(_HasAll, "postgresql")
def _all_on_postgresql(element: _HasAll, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, wanted = element.clauses
    return f"{compiler.process(column, **kwargs)} @> {compiler.process(wanted, **kwargs)}"


@compiles(_HasAny, "postgresql")
def _any_on_postgresql(element: _HasAny, compiler: SQLCompiler, **kwargs: Any) -> str:
    column, wanted = element.clauses
    return f"{compiler.process(column, **kwargs)} && {compiler.process(wanted, **kwargs)}"


@compiles(_Place)
def _place_on_sqlite(element: _Place, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"instr({compiler.process(element.clauses, **kwargs)})"


@compiles(_Place, "postgresql")
def _place_on_postgresql(element: _Place, compiler: SQLCompiler, **kwargs: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **kwargs)})"


Columns = Any
"""What has the columns of :class:`Searchable`: an entity, or the columns of its table."""


def text_holds(model: Columns, probe: Probe) -> ColumnElement[bool]:
    """Where a name or an e-mail address is as the probe says."""
    return _holds(model, probe, model.searched)


def number_holds(model: Columns, probe: Probe) -> ColumnElement[bool]:
    """Where a telephone number is as the probe says."""
    return _holds(model, probe, model.searched_phones)


def tag_holds(model: Columns, probe: Probe) -> ColumnElement[bool]:
    """Where a tag is as the probe says."""
    return _holds(model, probe, model.tags)


def _holds(model: Columns, probe: Probe, lines: ColumnElement[Any]) -> ColumnElement[bool]:
    # As a literal, for the planner knows how many rows have a common term, and plans by that.
    wanted = bindparam(None, probe.terms, Terms(), literal_execute=True)
    has = _HasAny if probe.any_of else _HasAll
    return has(model.terms, wanted) & (_Place(lines, probe.needle) > 0)


def email_is(model: type[Searchable]) -> Callable[[str], ColumnElement[bool]]:
    """How a list is narrowed to who has an e-mail address, in whatever case it is written."""
    return lambda email: text_holds(model, terms.whole(folded(email)))


def phone_is(model: type[Searchable]) -> Callable[[str], ColumnElement[bool]]:
    """How a list is narrowed to who has a telephone number."""
    return lambda phone: number_holds(model, terms.whole_number(digits_of(phone)))


def contains(model: type[Searchable], phone_right: str) -> Callable[[str], ColumnElement[bool]]:
    """How a list is searched: for a text anywhere in name, e-mail addresses and numbers.

    :param phone_right: without it nothing is found by a telephone number.
    """

    def condition(text: str) -> ColumnElement[bool]:
        wanted = folded(text)
        if not wanted:
            return false()
        found = text_holds(model, terms.inside(wanted))
        number = number_in(text)
        if number and current_principal().may(phone_right):
            return or_(found, number_holds(model, terms.inside_number(number)))
        return found

    return condition
