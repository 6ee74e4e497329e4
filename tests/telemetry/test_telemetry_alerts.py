"""The alert rules are valid, fire when they should, and lead to a page."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from sqlalchemy.pool import QueuePool

from crm_chassis.database import make_engine

ROOT = Path(__file__).parents[2]
TELEMETRY = ROOT / "deploy" / "telemetry"
RULES = TELEMETRY / "prometheus" / "rules"
RUNBOOKS = ROOT / "docs" / "runbooks"
UNIT_TESTS = Path(__file__).parent / "alerts.yml"
TARGETS_TESTS = Path(__file__).parent / "absent.yml"
SERVICES = ("customer", "sales", "marketing", "service-desk", "reporting", "gateway")
SEVERITIES = {"critical", "warning"}
_SECTIONS = ["What users see", "Look", "Do", "Wake"]


def groups() -> list[dict[str, Any]]:
    return [
        group
        for file in sorted(RULES.glob("*.yml"))
        for group in yaml.safe_load(file.read_text())["groups"]
    ]


def alerts() -> list[dict[str, Any]]:
    return [rule for group in groups() for rule in group["rules"] if "alert" in rule]


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("promtool is not installed: it comes with Prometheus")
    return found


def run(*command: str | Path) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_configuration_is_valid(promtool: str) -> None:
    run(promtool, "check", "config", TELEMETRY / "prometheus" / "prometheus.yml")


def test_alerts_fire_when_they_should_and_only_then(promtool: str) -> None:
    run(promtool, "test", "rules", UNIT_TESTS)


def test_a_process_that_prometheus_does_not_know_is_missed(promtool: str) -> None:
    run(promtool, "test", "rules", TARGETS_TESTS)


def test_every_process_is_one_that_is_missed() -> None:
    (rule,) = yaml.safe_load((RULES / "targets.yml").read_text())["groups"][0]["rules"]
    pairs = re.findall(r'absent\(up\{job="crm-([a-z-]+)",component="(\w+)"\}\)', rule["expr"])
    assert sorted(pairs) == sorted((name, part) for name in SERVICES for part in ("api", "worker"))


def test_the_alert_knows_how_many_connections_a_pool_opens() -> None:
    (rule,) = (each for each in alerts() if each["alert"] == "DatabasePoolExhausted")
    pool = make_engine("postgresql+psycopg://nobody@127.0.0.1:1/none", 8).pool
    assert isinstance(pool, QueuePool)
    assert pool.size() == 8
    assert f"crm_database_pool_size + {pool._max_overflow}" in rule["expr"]


def test_every_alert_is_tried() -> None:
    tested = {
        name
        for test in yaml.safe_load(UNIT_TESTS.read_text())["tests"]
        for case in test["promql_expr_test"]
        for sample in case["exp_samples"]
        for name in re.findall(r'alertname="(\w+)"', sample["labels"])
    }
    assert tested == {alert["alert"] for alert in alerts()}


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: str(alert["alert"]))
def test_an_alert_says_what_a_person_needs(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in SEVERITIES
    told = alert["annotations"]
    assert all(told[name] for name in ("summary", "description"))
    page = ROOT / told["runbook_url"]
    assert page == RUNBOOKS / f"{alert['alert']}.md"
    text = page.read_text()
    assert text.startswith(f"# {alert['alert']}\n")
    assert re.findall(r"^## (.+)$", text, re.M) == _SECTIONS


def test_every_page_is_of_an_alert_and_in_the_index() -> None:
    named = {alert["alert"]: alert["labels"]["severity"] for alert in alerts()}
    assert len(named) == len(alerts())
    assert {page.stem for page in RUNBOOKS.glob("*.md")} == {*named, "README"}
    index = (RUNBOOKS / "README.md").read_text()
    listed = dict(re.findall(r"^\| \[(\w+)\]\(\1\.md\) \| (\w+) \|", index, re.M))
    assert listed == named


def test_pages_lead_to_pages_that_are_there() -> None:
    for page in RUNBOOKS.glob("*.md"):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert (page.parent / os.fspath(link)).exists(), (page.name, link)


def test_a_process_is_scraped_under_its_service_and_component() -> None:
    config = yaml.safe_load((TELEMETRY / "prometheus" / "prometheus.yml").read_text())
    scraped = set()
    for scrape in config["scrape_configs"]:
        for job in scrape.get("relabel_configs", []):
            pattern = re.compile(job["regex"].replace("$", r"\$"))
            for target in scrape["static_configs"]:
                for address in target["targets"]:
                    match = pattern.fullmatch(address)
                    assert match, address
                    scraped.add((f"crm-{match[1]}", target["labels"]["component"]))
    assert scraped == {(f"crm-{name}", part) for name in SERVICES for part in ("api", "worker")}
