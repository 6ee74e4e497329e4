"""How long after a commit the KPI shows it, on a platform that does nothing else."""

from __future__ import annotations

import time
from typing import Any

import psycopg
from sqlalchemy import make_url

from bench.figures import Figure, Run, Target, Yardstick, median, percentile
from crm_client.client import Client, Record
from crm_local.testing import process_platform

_KPI = "/api/reporting/v1/kpis/won_count"
_DEAL = {"name": "GTX Pro for Cancity", "amount": "4821.00", "currency": "USD"}
_BETWEEN_LOOKS_SECONDS = 0.001
_PATIENCE_SECONDS = 10.0


def run(run: Run) -> list[Figure]:
    """Win deals one by one, each time looking at the KPI until it has gone up.

    A delay begins when the event is written, which is before the commit, and ends when the answer
    with the new figure has arrived: the last look is part of it.
    """
    looks: list[float] = []
    with process_platform(run.folder, run.servers.postgres, run.servers.rabbitmq) as platform:
        client = platform.client()
        deals = [_opened(client) for _ in range(run.count(300, 50))]
        time.sleep(1)
        seen: dict[str, float] = {}
        for won, deal in enumerate(deals, start=1):
            client.move(deal, "win")
            seen[deal.data["id"]] = _time_seen(client, won, looks)
        written = _times_written(platform.inside.databases["sales"])
        delays = [1000 * (seen[id_] - written[id_]) for id_ in seen]
    look = Yardstick("one look", median(looks))
    return [
        Figure("commit to KPI, median", median(delays), "ms", look, Target("at most", 25)),
        Figure(
            "commit to KPI, 99th percentile",
            percentile(delays, 99),
            "ms",
            Yardstick("one look", percentile(looks, 99)),
            Target("at most", 150),
        ),
    ]


def _opened(client: Client) -> Record:
    return client.read("opportunities", client.create("opportunities", _DEAL)["id"])


def _time_seen(client: Client, wanted: int, looks: list[float]) -> float:
    """When the KPI showed ``wanted``, in seconds since 1970; each look's milliseconds are kept."""
    deadline = time.time() + _PATIENCE_SECONDS
    while True:
        began = time.time()
        answer: dict[str, Any] = client.get(_KPI)
        now = time.time()
        looks.append(1000 * (now - began))
        if answer["total"]["value"] == wanted:
            return now
        if now > deadline:
            raise TimeoutError(f"{_KPI} is {answer['total']['value']}, not {wanted}")
        time.sleep(_BETWEEN_LOOKS_SECONDS)


def _times_written(sales_url: str) -> dict[str, float]:
    """When each deal's winning was written into the event log, in seconds since 1970."""
    url = make_url(sales_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        rows = connection.execute(
            "SELECT subject, recorded_at FROM event_log WHERE type = %s",
            ["crm.sales.opportunity.won.v1"],
        )
        return {subject: recorded_at.timestamp() for subject, recorded_at in rows}
