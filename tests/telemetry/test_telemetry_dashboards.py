"""What rules and dashboards ask for is there, and a person can read it."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from crm_chassis.testing_harness import Harness
from crm_gateway.testing_harness import running_gateway, settings_for
from crm_reporting.app import create_app as create_reporting

TELEMETRY = Path(__file__).parents[2] / "deploy" / "telemetry"
DASHBOARDS = sorted((TELEMETRY / "grafana" / "dashboards").glob("*.json"))
RULES = sorted((TELEMETRY / "prometheus" / "rules").glob("*.yml"))

OF_OTHERS = {
    "up",
    "ALERTS",
    "rabbitmq_detailed_queue_messages",
    "rabbitmq_alarms_free_disk_space_watermark",
    "rabbitmq_alarms_memory_used_watermark",
    "rabbitmq_alarms_file_descriptor_limit",
}
"""Figures of Prometheus itself and of RabbitMQ's plugin."""
IN_CONTAINERS_ONLY = {"crm_memory_limit_bytes"}

_NAME = re.compile(r"\b(?:crm|process|rabbitmq)_[a-z0-9_]+\b|\bcrm:[a-z0-9_:]+\b|\bup\b|\bALERTS\b")
_PARTS = ("_bucket", "_sum", "_count", "_total")
_OUTSIDE_NAMES = re.compile(r"\"[^\"]*\"|\b(?:by|on) \([^)]*\)|\{\{[^}]*\}\}")


def expressions() -> Iterator[tuple[str, str]]:
    """(where, PromQL) of every rule and every panel."""
    for file in RULES:
        for group in yaml.safe_load(file.read_text())["groups"]:
            for rule in group["rules"]:
                yield f"{file.name}: {rule.get('alert') or rule['record']}", rule["expr"]
    for file in DASHBOARDS:
        for panel in panels(json.loads(file.read_text())):
            for target in panel["targets"]:
                yield f"{file.name}: {panel['title']}", target["expr"]


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def names_in(expression: str) -> set[str]:
    return set(_NAME.findall(_OUTSIDE_NAMES.sub("", expression)))


def recorded() -> set[str]:
    return {
        rule["record"]
        for file in RULES
        for group in yaml.safe_load(file.read_text())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }


def families(text: str) -> set[str]:
    return {family.name for family in text_string_to_metric_families(text)}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of all that a worker, an api and the gateway expose."""
    folder = tmp_path_factory.mktemp("exposed")
    harness = Harness(create_reporting, "reporting", folder)
    harness.service.start_worker()
    found = families(harness.anonymous().get("/metrics").get_data(as_text=True))
    harness.close()
    with running_gateway(settings_for(folder, "http://127.0.0.1:9")) as gateway:
        gateway.sign_in()
        found |= families(gateway.call("GET", "/metrics").data.decode())
    return found


def test_every_figure_that_is_asked_for_is_told_by_somebody(exposed: set[str]) -> None:
    known = exposed | OF_OTHERS | IN_CONTAINERS_ONLY | recorded()
    missing = {
        (where, name)
        for where, expression in expressions()
        for name in names_in(expression)
        if name not in known and not any(name.removesuffix(part) in known for part in _PARTS)
    }
    assert missing == set()


def test_the_names_of_others_are_those_that_are_asked_for() -> None:
    asked = {name for _where, expression in expressions() for name in names_in(expression)}
    assert asked >= OF_OTHERS | IN_CONTAINERS_ONLY


def test_every_recorded_figure_is_used() -> None:
    asked = {name for _where, expression in expressions() for name in names_in(expression)}
    assert recorded() <= asked


def test_the_files_are_what_the_generator_writes() -> None:
    generator = load_generator()
    written = {f"{each.uid}.json": generator.text_of(each) for each in generator.DASHBOARDS}
    assert {file.name: file.read_text() for file in DASHBOARDS} == written


def load_generator() -> ModuleType:
    package = TELEMETRY / "dashboards" / "__init__.py"
    spec = importlib.util.spec_from_file_location("crm_dashboards", package)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_dashboards_have_uids_of_their_own() -> None:
    uids = [json.loads(file.read_text())["uid"] for file in DASHBOARDS]
    assert len(set(uids)) == len(uids) >= 5


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_can_be_read(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    shown = panels(dashboard)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    assert len({panel["title"] for panel in shown}) == len(shown)
    for panel in shown:
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        assert panel["targets"], panel["title"]
        assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]
    names = {variable["name"] for variable in dashboard["templating"]["list"]}
    used = set(re.findall(r"\$(\w+)", json.dumps(shown))) - {"__rate_interval"}
    assert used == names


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_no_panel_lies_over_another(file: Path) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in json.loads(file.read_text())["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + right, place["y"] + down)
            for right in range(place["w"])
            for down in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
