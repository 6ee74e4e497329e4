"""Every list has an index for each order that it offers, in every scope."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

SCOPES = ("own", "team", "subtree", "all")
SMALL = {
    "pool-rules",
    "tag-rules",
    "approval-rules",
    "assignment-rules",
    "discount-limits",
    "lost-reasons",
    "competitors",
    "pipelines",
}
"""Lists of what an administrator sets up: some dozens of rows, read as a whole."""


@contextmanager
def statements(engine: Any) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database in the block, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.lstrip().upper().startswith(("SELECT", "WITH")):
            sent.append((statement, parameters))

    sqlalchemy_event.listen(engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        sqlalchemy_event.remove(engine, "before_cursor_execute", note)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The parts of a plan; not what looks up, once for all rows, which things may be seen."""
    yield plan
    for child in plan.get("Plans", []):
        if child.get("Parent Relationship") != "SubPlan":
            yield from nodes(child)


def explained(rows: Any, statement: str, parameters: Any) -> list[dict[str, Any]]:
    """The plan of a planner that sorts and reads whole tables only where nothing else is left."""
    with rows.harness.service.database.engine.connect() as connection:
        for setting in ("enable_seqscan", "enable_sort", "enable_incremental_sort"):
            connection.execute(text(f"SET LOCAL {setting} = off"))
        explain = f"EXPLAIN (FORMAT JSON) {statement}"
        plan = connection.exec_driver_sql(explain, parameters).scalar_one()
        return list(nodes(plan[0]["Plan"]))


def orders(document: dict[str, Any], template: str) -> list[str]:
    """The orders that a list offers."""
    for parameter in document["paths"][template]["get"].get("parameters", []):
        if parameter.get("name") == "sort":
            found: list[str] = parameter["schema"]["enum"]
            return found
    return []


def lists(rows: Any) -> Iterator[tuple[Any, str]]:
    """Every list that may be long, with each order that it offers.

    Not the exports, which read all there is, and not the orders by fields that users declare.
    """
    document = rows.harness.anonymous().get("/openapi.json").json
    for operation in rows.operations():
        collection = operation.template.split("/")[2]
        if operation.method == "get" and collection not in SMALL | {"exports"}:
            for order in orders(document, operation.template):
                if "custom." not in order:
                    yield operation, order


@pytest.mark.parametrize("scope", SCOPES)
def test_no_list_is_sorted_or_read_as_a_whole(rows_on_postgres: Any, scope: str) -> None:
    rows = rows_on_postgres
    reader = rows.person(rows.team, {"*": scope})
    engine = rows.harness.service.database.engine
    slow, answered = [], 0
    for operation, order in lists(rows):
        with statements(engine) as sent:
            answer = reader.get(f"{operation.path}?sort={order}")
        answered += answer.status_code == 200
        pages = [(sql, parameters) for sql, parameters in sent if "LIMIT" in sql]
        slow += [
            f"{operation.path}?sort={order}: {node['Node Type']} {node.get('Relation Name', '')}"
            for sql, parameters in pages
            for node in explained(rows, sql, parameters)
            if node["Node Type"] in ("Seq Scan", "Sort", "Incremental Sort")
        ]
    assert answered > 10
    assert not slow, "\n".join(slow)
