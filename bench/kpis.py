"""Whether a KPI costs more as the events behind it become more."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import text

from bench.figures import Figure, Run, Target, Yardstick, median
from bench.history import EVENTS_A_DEAL, Company
from crm_chassis import inbox
from crm_chassis.testing_harness import Caller, Harness
from crm_reporting.app import create_app
from crm_reporting.projections.fold import Projection

_FEW = 10_000
_DAYS = 365
_BATCH = 5_000
_ROUNDS = 7
_SUSPECTS, _SUSPECT_ROUNDS = 10, 30
"""Of hundreds of queries one was always disturbed: those that seem to grow are asked again."""
_YEAR = {"from": "2025-01-01", "to": "2025-12-31", "grain": "quarter"}
_SAME = Target("at most", 1.5, "ratio")
_GROWING = "account"
"""The one dimension with more members where there are more events: the answer itself is longer."""


def run(run: Run) -> list[Figure]:
    """Every KPI by every dimension for the quarters of a year, over few events and over many."""
    with ExitStack() as stack:
        few, many = (
            stack.enter_context(closing(_reporting(run, events)))
            for events in (_FEW, run.count(1_000_000, 100_000))
        )
        queries = _queries(few.as_user())
        over_few, over_many = _seconds(queries, (few, many), _ROUNDS)
        growth = {query: over_many[query] / over_few[query] for query in queries}
        suspects = sorted(queries, key=growth.__getitem__)[-_SUSPECTS:]
        again = _seconds({name: queries[name] for name in suspects}, (few, many), _SUSPECT_ROUNDS)
    for first, second in zip((over_few, over_many), again, strict=True):
        first |= {name: min(first[name], seconds) for name, seconds in second.items()}
    worst = max(suspects, key=lambda name: over_many[name] / over_few[name])
    return [
        Figure(
            f"median of {len(queries)} queries",
            1000 * median(list(over_many.values())),
            "ms",
            Yardstick(f"over {_FEW:,} events", 1000 * median(list(over_few.values()))),
            _SAME,
        ),
        Figure(
            f"the one that grew most: {worst}",
            1000 * over_many[worst],
            "ms",
            Yardstick(f"over {_FEW:,} events", 1000 * over_few[worst]),
            _SAME,
        ),
    ]


def _reporting(run: Run, events: int) -> Harness:
    """A reporting service that has taken in so many events of one year."""
    folder = run.folder / str(events)
    folder.mkdir()
    url = run.servers.postgres.create_database("kpis")
    harness = Harness(create_app, "reporting", folder, url)
    database = harness.service.database
    projection = Projection(harness.service.settings.zone)
    company = Company(leads_a_day=events / EVENTS_A_DEAL / _DAYS)
    for _ in range(0, events, _BATCH):
        batch = company.events(_BATCH)
        with database.transaction() as session:
            projection.on_events(session, inbox.claim(session, batch, archive=False))
    with database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
    return harness


def _queries(caller: Caller) -> dict[str, str]:
    """The path for each KPI and dimension, and for each KPI undivided."""
    kpis: list[dict[str, Any]] = caller.get("/v1/kpis").get_json()["items"]
    paths = {}
    for name, dimensions in ((kpi["name"], kpi["dimensions"]) for kpi in kpis):
        paths[name] = f"/v1/kpis/{name}?{urlencode(_YEAR)}"
        for dimension in dimensions:
            if dimension != _GROWING:
                asked = urlencode({**_YEAR, "by": dimension})
                paths[f"{name} by {dimension}"] = f"/v1/kpis/{name}?{asked}"
    return paths


def _seconds(
    queries: Mapping[str, str], services: Sequence[Harness], rounds: int
) -> list[dict[str, float]]:
    """The shortest time that each query took at each service, asked in turns."""
    shortest: list[dict[str, float]] = [dict.fromkeys(queries, float("inf")) for _ in services]
    for _ in range(rounds):
        callers = [service.as_user() for service in services]
        for query, path in queries.items():
            for caller, times in zip(callers, shortest, strict=True):
                began = time.perf_counter()
                answer = caller.get(path)
                times[query] = min(times[query], time.perf_counter() - began)
                if answer.status_code != 200:
                    raise RuntimeError(f"{path}: {answer.get_data(as_text=True)}")
    return shortest
