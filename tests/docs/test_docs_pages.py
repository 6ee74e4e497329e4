"""What is taken from code and figures is in the pages as it is there."""

import importlib.util
import json
import re
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from crm_chassis.settings import Settings
from crm_gateway.settings import GatewaySettings

ROOT = Path(__file__).parents[2]
SOURCES = ("clients", "deploy", "gateway", "shared")


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    path = ROOT / "docs" / "pages.py"
    spec = importlib.util.spec_from_file_location("docs_pages", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["configuration.md", "sizing.md"])
def test_a_page_is_up_to_date(pages: ModuleType, page: str) -> None:
    assert pages.made(page) == (ROOT / "docs" / page).read_text("utf-8")


def test_every_setting_of_service_and_gateway_is_there_once(pages: ModuleType) -> None:
    services, gateway = pages.services_table(), pages.gateway_table()
    for entry in fields(GatewaySettings):
        variable = entry.metadata.get("variable", entry.name.upper())
        if entry.name in {each.name for each in fields(Settings)} - {"service"}:
            assert services.count(f"| `{variable}` |") == 1
        elif entry.name != "service":
            assert gateway.count(f"| `{variable}` |") == 1


def test_what_may_hold_a_password_is_marked_as_secret(pages: ModuleType) -> None:
    rows = (pages.services_table() + pages.gateway_table()).splitlines()
    for row in rows:
        if re.search(r"_KEY`|PASSWORD|user:password|key:secret", row):
            assert row.endswith("| yes |"), row


def test_a_setting_without_a_docstring_or_a_process_is_refused(
    pages: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(pages._READ_BY, "bind")
    with pytest.raises(pages.PageError, match="bind"):
        pages.services_table()


def test_the_newest_full_result_of_every_benchmark_is_taken_in(
    pages: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pages, "RESULTS", tmp_path)
    monkeypatch.setattr(pages, "MEASURED", tmp_path / "kept" / "measured.json")
    (tmp_path / "kept").mkdir()
    names = ("api", "duplicates", "imports", "overview", "search")
    for moment, value, quick in (("01", 1.0, False), ("02", 2.0, False), ("03", 3.0, True)):
        figures = {name: [{"name": "rate", "value": value, "target": None}] for name in names}
        result = {"started_at": f"2026-11-{moment}T", "quick": quick, "machine": {}}
        (tmp_path / f"{moment}.json").write_text(json.dumps({**result, "figures": figures}))
    pages.collect()
    taken = json.loads(pages.MEASURED.read_text())
    assert {name: entry["figures"][0]["value"] for name, entry in taken.items()} == dict.fromkeys(
        names, 2.0
    )


def _guess() -> list[list[float]]:
    """Users, requests a second, gateways, apis of customer, apis of the others; of each row."""
    page = (ROOT / "docs" / "sizing.md").read_text("utf-8")
    rows = re.findall(r"^\| ([\d,]+) \|" + r" ([\d,]+) \|" * 4, page, re.M)
    return [[float(cell.replace(",", "")) for cell in row] for row in rows]


def test_the_first_guess_follows_from_its_two_figures() -> None:
    page = (ROOT / "docs" / "sizing.md").read_text("utf-8")
    seconds = float(re.search(r"a request every (\d+) seconds", page)[1])
    rate = float(re.search(r"answers \*\*(\d+) requests a second", page)[1])
    assert len(_guess()) == 3
    for users, requests, gateways, busiest, others in _guess():
        assert requests == users / seconds
        assert gateways * rate >= requests
        assert busiest * rate >= requests / 2
        assert busiest >= others
    measured = json.loads((ROOT / "docs" / "measured.json").read_text("utf-8"))
    for figure in measured.get("api", {"figures": []})["figures"]:
        if figure["name"] == "list through the gateway, 8 clients":
            assert rate <= figure["value"]


def test_the_variables_written_down_by_hand_are_read_somewhere() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    by_hand = page[page.index("## `make run`") :]
    variables = set(re.findall(r"`([A-Z][A-Z_]+)`", by_hand))
    code = "\n".join(
        path.read_text("utf-8") for folder in SOURCES for path in (ROOT / folder).rglob("*.py")
    )
    unknown = {each for each in variables if each.removeprefix("CRM_") not in code}
    assert unknown == set()
