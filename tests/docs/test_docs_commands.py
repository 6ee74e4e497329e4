"""The commands that pages tell to type are there, with the options they name."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from flask import Flask

from crm_chassis.settings import Settings
from crm_customer.app import create_app as create_customer
from crm_gateway.app import create_app as create_gateway
from crm_gateway.settings import GatewaySettings
from crm_marketing.app import create_app as create_marketing
from crm_reporting.app import create_app as create_reporting
from crm_sales.app import create_app as create_sales
from crm_service_desk.app import create_app as create_service_desk

ROOT = Path(__file__).parents[2]
APPS: dict[str, Callable[..., Flask]] = {
    "customer": create_customer,
    "sales": create_sales,
    "marketing": create_marketing,
    "service_desk": create_service_desk,
    "reporting": create_reporting,
    "gateway": create_gateway,
}
SEALING_KEY = "A" * 43
URLS = ("customer", "sales", "marketing", "service_desk", "reporting")

_COMMAND = re.compile(r"flask --app crm_(\w+)\.app ([^`#\n]+)")
_PAGES = (
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "README.md",
    ROOT / "gateway" / "README.md",
)


def told() -> list[tuple[str, str]]:
    """Application and command line, of all pages, once each."""
    found = {
        (name, re.split(r" (?:>|\|) |, |;", line)[0].strip())
        for page in _PAGES
        for name, line in _COMMAND.findall(page.read_text("utf-8"))
    }
    return sorted((name, line) for name, line in found if name in APPS and "|" not in line)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], click.Group]:
    folder = tmp_path_factory.mktemp("apps")
    made: dict[str, click.Group] = {}

    def of(name: str) -> click.Group:
        if name not in made:
            common: dict[str, Any] = {
                "database_url": f"sqlite:///{folder / name}.db",
                "broker_url": "memory://",
            }
            if name == "gateway":
                urls = {f"{each}_url": "http://127.0.0.1:1" for each in URLS}
                settings: Settings = GatewaySettings(
                    service="gateway", sealing_key=SEALING_KEY, **common, **urls
                )
            else:
                settings = Settings(service=name.replace("_", "-"), token_keys="/none", **common)
            made[name] = APPS[name](settings).cli
        return made[name]

    return of


@pytest.mark.parametrize(("name", "line"), told())
def test_a_command_is_there_with_its_options(
    commands: Callable[[str], click.Group], name: str, line: str
) -> None:
    command: click.Command = commands(name)
    words = line.split()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.commands.get(words.pop(0))
        assert found, line
        command = found
    options = {each for parameter in command.params for each in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options, line
