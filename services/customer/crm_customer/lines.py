"""The column type of telephone numbers and e-mail addresses: a list that can be searched."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Dialect, Text, TypeDecorator
from sqlalchemy.types import TypeEngine


class Lines(TypeDecorator[list[str]]):
    """Short texts without line breaks, stored as one text: a line each.

    One column serves reading and searching, so that what is found is never behind what is stored.
    ``icontains`` finds a part of any of the texts and ``holds`` a whole one, by reading the rows;
    :mod:`crm_customer.search` has an index.
    """

    impl = Text
    cache_ok = True

    class Comparator(TypeDecorator.Comparator[list[str]]):
        def holds(self, line: str) -> ColumnElement[bool]:
            """True where ``line`` is one of the texts, in whatever case it is written."""
            return self.expr.icontains(f"\n{line}\n", autoescape=True)

    comparator_factory = Comparator

    def coerce_compared_value(self, op: Any, value: Any) -> TypeEngine[Any]:
        """What is searched for is a text, not a list."""
        return Text() if isinstance(value, str) else self

    def process_bind_param(self, value: list[str] | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        return "\n".join(["", *value, ""]) if value else ""

    def process_result_value(self, value: str | None, dialect: Dialect) -> list[str] | None:
        if value is None:
            return None
        return value.split("\n")[1:-1]
