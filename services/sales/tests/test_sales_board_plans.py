"""The boards read by index, however many deals there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event as database_event
from sqlalchemy import text

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Harness, event

LARGE = {"opportunities", "deal_moves", "orders", "receipts", "tasks", "targets"}


@contextmanager
def asked(sales: Harness) -> Iterator[list[tuple[str, Any]]]:
    """What the block asks the database."""
    found: list[tuple[str, Any]] = []

    def note(_c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "WITH")):
            found.append((statement, parameters))

    engine = sales.service.database.engine
    database_event.listen(engine, "before_cursor_execute", note)
    yield found
    database_event.remove(engine, "before_cursor_execute", note)


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from nodes(child)


@pytest.mark.parametrize(
    "path",
    [
        *(f"/v1/leaderboard?measure={m}" for m in ("sales", "receipts", "orders", "won_count")),
        "/v1/leaderboard?scope=team",
        "/v1/team-board?team_id={team}&week=2026-W01",
        "/v1/team-board?team_id={team}&below=true",
        "/v1/team-board/moves?team_id={team}",
    ],
)
def test_no_board_reads_a_large_table_as_a_whole(sales_on_postgres: Harness, path: str) -> None:
    sales, team = sales_on_postgres, new_id()
    sales.deliver(event("crm.gateway.team.created.v1", {"id": team, "name": "North"}))
    with asked(sales) as statements:
        answer = sales.as_user().get(path.format(team=team))
    assert answer.status_code == 200, answer.text
    whole = []
    with sales.service.database.engine.connect() as connection:
        connection.execute(text("SET LOCAL enable_seqscan = off"))
        for statement, parameters in statements:
            explain = f"EXPLAIN (FORMAT JSON) {statement}"
            (plan,) = connection.exec_driver_sql(explain, parameters).scalar_one()
            whole += [
                node["Relation Name"]
                for node in nodes(plan["Plan"])
                if node["Node Type"] == "Seq Scan" and node["Relation Name"] in LARGE
            ]
    assert whole == []
