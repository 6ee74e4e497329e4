"""A real company's deals go in through the front door and come out as the true figures.

The data set is Maven Analytics' public "CRM Sales Opportunities"; it is read from the folder that
``CRM_DATA`` names, by default ``../shared/data`` beside the checkout, and skipped where it is not.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from crm_client import imports, mapping
from crm_client.client import Client
from crm_local.compose import ComposePlatform
from crm_local.platform import Platform
from crm_local.processes import ProcessPlatform
from crm_local.testing import Running

HERE = Path(__file__).parent
DATA = Path(os.environ.get("CRM_DATA", HERE.parents[1].parent / "shared" / "data")) / "maven_crm"
MAPS = HERE / "maven"
KPIS = "/api/reporting/v1/kpis/"
ALL = {"from": "2016-01-01", "to": "2018-12-31"}

FILES = (
    ("teams", "offices.yaml", "sales_teams.csv"),
    ("teams", "managers.yaml", "sales_teams.csv"),
    ("users", "agents.yaml", "sales_teams.csv"),
    ("products", "products.yaml", "products.csv"),
    ("accounts", "accounts.yaml", "accounts.csv"),
    ("opportunities", "pipeline.yaml", "sales_pipeline.csv"),
)

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"the data set is not in {DATA}")


@pytest.fixture(scope="module")
def truth() -> dict[str, Any]:
    return json.loads((DATA / "truth.json").read_text())


def begin(client: Client, file: tuple[str, str, str], *, dry_run: bool) -> imports.ImportJob:
    resource, map_file, csv_file = file
    rules = mapping.load(MAPS / map_file)
    job = imports.create(client, resource, csv_file, rules, dry_run=dry_run)
    return imports.upload(client, job, DATA / csv_file)


def finish(client: Client, job: imports.ImportJob) -> imports.ImportJob:
    deadline = time.monotonic() + 180
    while not job.ended:
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
        job = imports.get(client, job.service, job.id)
    return job


def wait_for_names(client: Client, file: tuple[str, str, str]) -> None:
    """Until the service has heard of every team, user and account that the file names."""
    deadline = time.monotonic() + 120
    while (job := finish(client, begin(client, file, dry_run=True))).failed:
        assert time.monotonic() < deadline, list(imports.errors(client, job))[:3]


def take_in(client: Client, file: tuple[str, str, str]) -> imports.ImportJob:
    wait_for_names(client, file)
    job = finish(client, begin(client, file, dry_run=False))
    assert job.failed == 0, list(imports.errors(client, job))[:3]
    return job


@pytest.fixture(scope="module")
def filled(empty_platform: Running) -> Running:
    """The platform with the data set in it; processes are killed in the middle of it."""
    client = empty_platform.client()
    for file in FILES[:-1]:
        take_in(client, file)
    if isinstance(empty_platform.inside, Platform):
        take_in(client, FILES[-1])
    else:
        import_with_a_kill(client, empty_platform.inside)
    return empty_platform


def import_with_a_kill(client: Client, inside: ProcessPlatform | ComposePlatform) -> None:
    wait_for_names(client, FILES[-1])
    job = begin(client, FILES[-1], dry_run=False)
    while job.rows_done < 2_000:
        time.sleep(0.02)
        job = imports.get(client, job.service, job.id)
    worker = inside.workers["sales"][0]
    worker.kill()
    assert imports.get(client, job.service, job.id).rows_done < 8_800
    worker.start()
    job = finish(client, job)
    assert (job.rows_done, job.created, job.failed) == (8_800, 8_800, 0)


class Figures:
    """The platform's answers, in the shape of the truth."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def by(self, kpi: str, **asked: str) -> dict[str, Any]:
        """Value by member's name, or by period where no dimension is asked for."""
        answer = self._client.get(KPIS + kpi, ALL | asked)
        if "by" in asked:
            return {row["member"]["name"]: row["value"] for row in answer["rows"]}
        return {row["period"]: row["value"] for row in answer["rows"]}

    def total(self, kpi: str) -> Any:
        return self._client.get(KPIS + kpi, ALL)["total"]["value"]

    def now(self, kpi: str, **asked: str) -> Any:
        """What stands now, whatever its dates."""
        return self._client.get(KPIS + kpi, asked)


@pytest.fixture(scope="module")
def figures(filled: Running) -> Figures:
    found = Figures(filled.client())
    deadline = time.monotonic() + 60
    while found.now("opportunities_by_stage")["total"]["value"] != 8_800:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def test_opportunities_by_stage(figures: Figures, truth: dict[str, Any]) -> None:
    stages = {
        "Won": "won",
        "Lost": "lost",
        "Engaging": "qualification",
        "Prospecting": "prospecting",
    }
    wanted = {stages[name]: count for name, count in truth["by_stage"].items()}
    rows = figures.now("opportunities_by_stage", by="stage")["rows"]
    found = {row["member"]["id"].removeprefix("default/"): row["value"] for row in rows}
    assert found == wanted


def test_overall(figures: Figures, truth: dict[str, Any]) -> None:
    overall, cycle = truth["overall"], truth["cycle_days"]
    assert Decimal(figures.total("sales")) == Decimal(str(overall["won_value"]))
    assert figures.total("won_count") == truth["by_stage"]["Won"]
    assert float(figures.total("win_rate")) == overall["win_rate"]
    assert round(float(figures.total("mean_won_value")), 4) == overall["avg_won_value"]
    assert float(figures.total("sales_cycle")) == cycle["won"]["mean"]
    assert float(figures.total("lost_cycle")) == cycle["lost"]["mean"]


def test_the_open_pipeline_is_valued_at_list_price(figures: Figures, truth: dict[str, Any]) -> None:
    pipeline = truth["open_pipeline"]
    assert figures.now("open_count")["total"]["value"] == pipeline["count"]
    value = figures.now("pipeline")["total"]["value"]
    assert Decimal(value) == Decimal(str(pipeline["at_list_price"]))


@pytest.mark.parametrize(
    ("table", "asked"),
    [
        ("by_agent", {"by": "person"}),
        ("by_manager", {"by": "team", "level": "2"}),
        ("by_regional_office", {"by": "team", "level": "1"}),
        ("by_product", {"by": "product"}),
        ("by_sector", {"by": "industry"}),
        ("by_account", {"by": "account"}),
        ("by_quarter", {"grain": "quarter"}),
        ("by_month", {"grain": "month"}),
    ],
)
def test_by_dimension(
    figures: Figures, truth: dict[str, Any], table: str, asked: dict[str, str]
) -> None:
    wanted = {name.replace("2017Q", "2017-Q"): row for name, row in truth[table].items()}
    kpis = {
        "won_value": ("sales", float),
        "won": ("won_count", int),
        "lost": ("lost_count", int),
        "win_rate": ("win_rate", float),
    }
    for field, (kpi, kind) in kpis.items():
        found = figures.by(kpi, **asked)
        for name, row in wanted.items():
            assert kind(found[name]) == row[field], (kpi, name)
        assert {name for name, value in found.items() if value} <= set(wanted), kpi
    cycle = figures.by("sales_cycle", **asked)
    for name, row in wanted.items():
        assert float(cycle[name]) == row["avg_cycle_days_won"], name


def test_a_second_import_changes_nothing(
    filled: Running, figures: Figures, eventually: Callable[..., Any]
) -> None:
    client = filled.client()
    before = (figures.total("sales"), figures.by("won_count", by="person"))
    for file in FILES:
        job = take_in(client, file)
        assert (job.created, job.changed) == (0, 0), file
    eventually(lambda: (figures.total("sales"), figures.by("won_count", by="person")), before)
