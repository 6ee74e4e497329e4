"""A migration leaves the version before it at work: it adds, and takes nothing away.

Every migration is run on PostgreSQL, and what it does to tables that were there before is read. A
step that an old version would trip over is a *contract step*: its migration says in a constant
``CONTRACT_STEP`` since when nobody trips over it any more.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from crm_chassis.migrations import CHASSIS_VERSIONS
from crm_chassis.service import Service
from crm_chassis.testing_servers import PostgresServer
from crm_local.processes import SOURCES
from crm_local.testing import application

REPOSITORY = Path(__file__).parents[2]

BLOCKS = "blocks everybody else for as long as it takes"
RULES = {
    r"DROP TABLE (?:IF EXISTS )?(\w+)": "the old version reads the table",
    r"TRUNCATE (?:TABLE )?(\w+)": "the old version reads the rows",
    r"ALTER TABLE (\w+) RENAME": "the old version knows the old name",
    r"ALTER TABLE (\w+) DROP COLUMN": "the old version reads the column",
    r"ALTER TABLE (\w+) ALTER COLUMN \w+ (?:SET DATA )?TYPE": f"{BLOCKS}, and may not be read",
    r"ALTER TABLE (\w+) ALTER COLUMN \w+ SET NOT NULL": "the old version may write NULL",
    r"ALTER TABLE (\w+) ADD COLUMN (?!.*DEFAULT).*NOT NULL": "the old version does not write it",
    r"ALTER TABLE (\w+) ADD COLUMN .*DEFAULT \w+\(": "a computed default rewrites the table",
    r"ALTER TABLE (\w+) ADD (?:CONSTRAINT \w+ )?(?:PRIMARY|FOREIGN|UNIQUE|CHECK)(?!.*NOT VALID)": (
        f"{BLOCKS}, and the old version may not keep it"
    ),
    r"ALTER TABLE (\w+) DROP CONSTRAINT": "the old version may count on it",
    r"CREATE UNIQUE INDEX .*?ON (\w+)": "the old version may not keep it",
    r"CREATE INDEX (?!CONCURRENTLY).*?ON (?!ONLY)(\w+)": BLOCKS,
    r"UPDATE (\w+) SET(?!.*LIMIT)": BLOCKS,
    r"DELETE FROM (\w+)(?!.*LIMIT)": "the old version reads the rows",
}
BEFORE_THE_FIRST_RELEASE = {
    "customer_0002": 2,
    "customer_0003": 5,
    "customer_0005": 2,
    "customer_0006": 4,
    "sales_0002": 2,
    "sales_0003": 6,
    "sales_0006": 6,
    "sales_0007": 1,
    "service_desk_0002": 1,
}
"""Offences in migrations from before the platform's first release, when there was no older version
to run beside. Whoever has a database from then stops the service to migrate it."""


def offences(statements: Sequence[str]) -> list[str]:
    """What an old version would trip over, of the statements of one migration."""
    made: set[str] = set()
    found = []
    for statement in (" ".join(each.split()).replace('"', "") for each in statements):
        if table := re.match(r"CREATE TABLE (?:IF NOT EXISTS )?(\w+)", statement):
            made.add(table[1])
        for rule, why in RULES.items():
            match = re.match(rule, statement)
            if match and match[1] not in made:
                found.append(f"{statement[:100]}: {why}")
    return found


def statements_of(service: Service) -> dict[str, list[str]]:
    """What each migration of a service and of the chassis does, by its revision."""
    by_revision: dict[str, list[str]] = {}
    statements: list[str] = []

    @event.listens_for(service.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        text = f"{statement} {parameters or ''}"
        if "alembic_version" not in statement:
            statements.append(statement)
        elif revision := re.search(r"(?:VALUES \(|SET version_num=)'(\w+)'", text):
            by_revision[revision[1]] = statements.copy()
            statements.clear()

    service.migrations.upgrade()
    service.close()
    return by_revision


def contract_steps(service: str) -> dict[str, str]:
    """Why a migration may take something away, by its revision."""
    scripts = [
        runpy.run_path(str(path))
        for folder in (CHASSIS_VERSIONS, REPOSITORY / SOURCES[service] / "migrations")
        for path in folder.glob("*.py")
    ]
    return {each["revision"]: each["CONTRACT_STEP"] for each in scripts if "CONTRACT_STEP" in each}


@pytest.mark.parametrize("service", SOURCES)
def test_migrations_leave_the_version_before_at_work(
    service: str, postgres: PostgresServer, tmp_path: Path
) -> None:
    app = application(service, postgres.create_database(service), tmp_path)
    done = statements_of(app.extensions["crm"])
    reasons = contract_steps(service)
    assert done
    for revision, statements in done.items():
        found = offences(statements)
        if revision in BEFORE_THE_FIRST_RELEASE:
            assert len(found) == BEFORE_THE_FIRST_RELEASE[revision], (revision, found)
        elif revision in reasons:
            assert found, f"{revision} says CONTRACT_STEP and takes nothing away"
        else:
            assert found == [], revision


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE deals",
        "ALTER TABLE deals RENAME TO opportunities",
        "ALTER TABLE deals RENAME COLUMN name TO title",
        "ALTER TABLE deals DROP COLUMN name",
        "ALTER TABLE deals ALTER COLUMN name TYPE VARCHAR(10)",
        "ALTER TABLE deals ALTER COLUMN name SET NOT NULL",
        "ALTER TABLE deals ADD COLUMN kind VARCHAR(10) NOT NULL",
        "ALTER TABLE deals ADD COLUMN at TIMESTAMP DEFAULT clock_timestamp() NOT NULL",
        "ALTER TABLE deals ADD CONSTRAINT deals_name UNIQUE (name)",
        "ALTER TABLE deals ADD CONSTRAINT deals_of FOREIGN KEY(of) REFERENCES people (id)",
        "ALTER TABLE deals ADD CHECK (amount > 0)",
        "ALTER TABLE deals DROP CONSTRAINT deals_name",
        "CREATE UNIQUE INDEX CONCURRENTLY deals_name ON deals (name)",
        "CREATE INDEX deals_by_name ON deals (name)",
        "UPDATE deals SET name = upper(name)",
        "DELETE FROM deals WHERE amount = 0",
        "TRUNCATE deals",
    ],
)
def test_what_an_old_version_would_trip_over_is_found(statement: str) -> None:
    [offence] = offences(["CREATE TABLE people (id UUID)", statement])
    assert offence.startswith(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE deals ADD COLUMN kind VARCHAR(10)",
        "ALTER TABLE deals ADD COLUMN kind VARCHAR(10) DEFAULT 'new' NOT NULL",
        "ALTER TABLE deals ALTER COLUMN name DROP NOT NULL",
        "ALTER TABLE deals ADD CONSTRAINT deals_positive CHECK (amount > 0) NOT VALID",
        "CREATE INDEX CONCURRENTLY deals_by_name ON deals (name)",
        "CREATE INDEX deals_by_name ON ONLY deals (name)",
        "UPDATE deals SET kind = 'x' WHERE id IN (SELECT id FROM deals WHERE kind IS NULL LIMIT 9)",
        "INSERT INTO settings (id) VALUES (1)",
        "CREATE INDEX people_by_name ON people (name)",
    ],
)
def test_what_it_does_not_feel_passes(statement: str) -> None:
    assert offences(["CREATE TABLE people (id UUID)", statement]) == []
