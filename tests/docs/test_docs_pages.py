"""What is taken from code and figures is in the pages as it is there."""

import importlib.util
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


def test_the_variables_written_down_by_hand_are_read_somewhere() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    by_hand = page[page.index("## `make run`") :]
    variables = set(re.findall(r"`([A-Z][A-Z_]+)`", by_hand))
    code = "\n".join(
        path.read_text("utf-8") for folder in SOURCES for path in (ROOT / folder).rglob("*.py")
    )
    unknown = {each for each in variables if each.removeprefix("CRM_") not in code}
    assert unknown == set()
