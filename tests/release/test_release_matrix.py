"""Services of different versions are started together, each as its own build says."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from crm_contracts import catalogue
from crm_contracts.statements import state
from crm_local.processes import SOURCES, Build, catalogue_of

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "deploy/release"))

import matrix  # noqa: E402 - no package

WON = "crm.sales.opportunity.won.v1"


def test_a_ref_is_for_one_service_or_for_all() -> None:
    refs = matrix.released_refs(["v1", "sales=v2"])
    assert refs == dict.fromkeys(SOURCES, "v1") | {"sales": "v2"}
    assert matrix.released_refs(["sales=v2"]) == {"sales": "v2"}
    assert matrix.released_refs([]) == {}


def test_where_no_dependency_changed_this_interpreter_serves() -> None:
    assert matrix.interpreter("sales", ROOT) == sys.executable


def test_where_one_changed_a_new_environment_is_wanted(tmp_path: Path) -> None:
    pins = (ROOT / "constraints.txt").read_text()
    (tmp_path / "constraints.txt").write_text(pins.replace("\nFlask==", "\nFlask==0."))
    assert matrix.moved(tmp_path) == {"Flask"}
    assert matrix.moved(ROOT) == set()


def test_a_checkout_states_what_its_version_publishes() -> None:
    stated = matrix.statement("sales", ROOT)
    assert stated == state("sales", stated.version, catalogue())


def test_a_build_is_named_by_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert Build.from_environment("service-desk") == Build()
    monkeypatch.setenv("CRM_SERVICE_DESK_CHECKOUT", str(tmp_path))
    monkeypatch.setenv("CRM_SERVICE_DESK_PYTHON", "/opt/old/python")
    build = Build.from_environment("service-desk")
    assert build.command("service-desk", "api")[0] == "/opt/old/python"
    assert build.environment("service-desk") == {
        "PYTHONPATH": f"{tmp_path}/shared:{tmp_path}/services/service-desk"
    }


def test_a_queue_is_bound_to_what_its_own_version_handles(tmp_path: Path) -> None:
    contracts = tmp_path / "shared/crm_contracts"
    shutil.copytree(ROOT / "shared/crm_contracts", contracts, ignore=lambda *_: ["__pycache__"])
    index = contracts / "catalogue.yaml"
    entry = f"{WON}:\n    producer: sales\n    consumers: ["
    before, after = index.read_text().split(entry)
    others = after.partition("]")[2]
    index.write_text(f"{before}{entry}{others.join([']', ''])}")
    everything = {name: Build() for name in SOURCES}
    assert "reporting" in catalogue_of(everything).contract(WON).consumers
    old_reporting = everything | {"reporting": Build(checkout=tmp_path)}
    assert "reporting" not in catalogue_of(old_reporting).contract(WON).consumers
    assert set(catalogue_of(old_reporting).types) == set(catalogue().types)
