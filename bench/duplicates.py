"""Duplicates among contacts: how fast one is told on entry, how long all take, and how right."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, text

from bench.figures import Figure, Run, Target, median
from bench.people import Generator, Person, Stock
from crm_chassis.database import new_id, utc_now
from crm_chassis.testing_harness import Harness
from crm_customer.accounts.models import Account
from crm_customer.app import create_app
from crm_customer.contacts.models import Contact
from crm_customer.duplicates.models import DuplicateCandidate
from crm_customer.duplicates.upkeep import write_keys

_SEED = 20261122
_BATCH = 1000
_BLANK = {"typed_phones": {}, "address_parts": [], "consent": {}, "tags": [], "ruled_tags": []}


def run(run: Run) -> list[Figure]:
    """A stock of made-up people, scanned whole, and asked for one by one."""
    count = run.count(100_000, 10_000)
    generator = Generator(_SEED)
    stock = generator.stock(count, new_id)
    folder = Path(run.folder)
    url = run.servers.postgres.create_database("duplicates")
    harness = Harness(create_app, "customer", folder, url)
    try:
        ids = _store(harness, stock)
        before = _memory_mb()
        seconds = _scan(harness)
        grown = _memory_mb() - before
        precision, recall = _rightness(harness, stock, ids)
        entry = _entry(harness, generator, stock, run.count(300, 100))
    finally:
        harness.close()
    return [
        Figure(
            "request that adds a contact, with its check, median",
            entry,
            "ms",
            None,
            Target("at most", 20),
        ),
        Figure(
            f"scan of {count:,} contacts",
            seconds,
            "s",
            None,
            Target("at most", 120 * max(1, count / 100_000)),
        ),
        Figure("memory taken by the scan", grown, "MB", None, Target("at most", 200)),
        Figure("precision", precision, "", None, Target("at least", 0.99)),
        Figure("recall", recall, "", None, Target("at least", 0.95)),
    ]


def _memory_mb() -> float:
    """The most that this process had at any time."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _store(harness: Harness, stock: Stock) -> list[str]:
    """Store the records as if they had always been there.

    :returns: their ids, in the order of the stock.
    """
    now = utc_now()
    own = {"version": 1, "created_at": now, "updated_at": now, "created_on": now.date(), **_BLANK}
    ids = [new_id() for _ in stock.records]
    with harness.service.database.transaction() as session:
        accounts = [
            {"id": company.id, "name": company.domain.removesuffix(".example"), **own}
            for company in stock.companies
        ]
        session.execute(insert(Account.__table__), [{**each, "phones": []} for each in accounts])
    for start in range(0, len(ids), _BATCH):
        with harness.service.database.transaction() as session:
            rows = [
                {"id": record_id, **own, **_values(record)}
                for record_id, record in zip(
                    ids[start : start + _BATCH], stock.records[start : start + _BATCH], strict=True
                )
            ]
            session.execute(insert(Contact.__table__), rows)
            write_keys(session, [Contact(**row) for row in rows])
    with harness.service.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("ANALYZE"))
    return ids


def _values(record: Person) -> dict[str, Any]:
    return {
        "name": record.name,
        "phones": record.phones,
        "emails": record.emails,
        "addresses": record.addresses,
        "birthday": record.birthday,
        "sex": record.sex,
        "account_id": record.company.id if record.company else None,
    }


def _scan(harness: Harness) -> float:
    """Seconds from asking for a scan to its end, in the worker's own steps."""
    began = time.perf_counter()
    started = harness.as_user().post("/v1/duplicate-scans", json={"kind": "contact"})
    assert started.status_code == 202, started.text
    while harness.service.scheduler.step():
        pass
    seconds = time.perf_counter() - began
    state = harness.as_user().get(f"/v1/duplicate-scans/{started.json['id']}").json
    assert state["state"] == "done", state
    return seconds


def _rightness(harness: Harness, stock: Stock, ids: Sequence[str]) -> tuple[float, float]:
    """Precision and recall of the pairs in the review queue."""
    place = {record_id: number for number, record_id in enumerate(ids)}
    columns = (DuplicateCandidate.first_id, DuplicateCandidate.second_id)
    with harness.service.database.reading() as session:
        found = {
            tuple(sorted((place[first], place[second])))
            for first, second in session.execute(select(*columns))
        }
    true = stock.pairs()
    right = len(found & true)
    return right / len(found), right / len(true)


def _entry(harness: Harness, generator: Generator, stock: Stock, number: int) -> float:
    """Median milliseconds of a request to add a contact, the check within it.

    Half of them are there already, half are new.
    """
    admin = harness.as_user()
    asked = [*stock.records[: number // 2], *generator.stock(number // 2, new_id).records]
    taken = []
    for record in asked:
        body = {name: _as_json(value) for name, value in _values(record).items() if value}
        body.pop("account_id", None)
        began = time.perf_counter()
        response = admin.post("/v1/contacts", json=body)
        if response.status_code != 422:  # a mistyped number that is none
            assert response.status_code in (201, 409), response.text
            taken.append(1000 * (time.perf_counter() - began))
    return median(taken)


def _as_json(value: Any) -> Any:
    return value.isoformat() if isinstance(value, date | datetime) else value
