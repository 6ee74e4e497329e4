"""The commands that pages tell to type are there, with the options and the objects they name."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from flask import Flask

from crm_chassis.settings import Settings
from crm_client.cli import main as crm
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

PAGES = (
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "deploy").rglob("*.md")),
    *sorted((ROOT / "services").glob("*/README.md")),
    ROOT / "README.md",
    ROOT / "gateway" / "README.md",
)
_FLASK = re.compile(r"flask --app crm_(\w+)\.app ([^`#\n]+)")
_CRM = re.compile(r"^crm ([a-z].*)$")
_OBJECT = re.compile(
    r"(?<![\w/.-])(deploy(?:ment)?|job|service|svc|scaledobject|externalsecret)"
    r"[/ ](?![a-z0-9.-]*/)([a-z][a-z0-9.-]*)"
)
_KINDS = {
    "deploy": "Deployment",
    "deployment": "Deployment",
    "job": "Job",
    "service": "Service",
    "svc": "Service",
    "scaledobject": "ScaledObject",
    "externalsecret": "ExternalSecret",
}
_MADE_BY_OPERATORS = {("Service", "broker"), ("Service", "database-rw")}


def typed(page: Path) -> list[str]:
    """What a page gives to type: lines of its shell blocks, and its quotes; without comments."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^ *```(?:sh)?\n(.*?)^ *```", text, re.M | re.S)
    outside = re.sub(r"^ *```.*?^ *```", "", text, flags=re.M | re.S)
    lines = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    quotes = [" ".join(each.split()) for each in re.findall(r"`([^`]+)`", outside)]
    return [re.split(r"\s#\s", line)[0].strip() for line in (*lines, *quotes)]


def commands_told() -> list[str]:
    return sorted({line for page in PAGES for line in typed(page)})


def told() -> list[tuple[str, str]]:
    """Application and command line, of all pages, once each."""
    found = {
        (name, re.split(r" (?:>|\|) |, |;", line)[0].strip())
        for page in PAGES
        for name, line in _FLASK.findall(page.read_text("utf-8"))
    }
    return sorted((name, line) for name, line in found if name in APPS and "|" not in line)


def of_the_client() -> list[str]:
    return [match[1] for line in commands_told() if (match := _CRM.match(line))]


def of_kubernetes() -> list[str]:
    return [line for line in commands_told() if "kubectl " in line]


@cache
def objects() -> frozenset[tuple[str, str]]:
    """Kind and name of every object in the manifests."""
    found = set(_MADE_BY_OPERATORS)
    for file in (ROOT / "deploy" / "k8s").rglob("*.yaml"):
        for item in yaml.safe_load_all(file.read_text("utf-8")):
            if isinstance(item, dict) and "metadata" in item:
                found.add((item["kind"], item["metadata"]["name"]))
    return frozenset(found)


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
    assert_takes(commands(name), line)


@pytest.mark.parametrize("line", of_the_client())
def test_a_command_of_the_client_is_there_with_its_options(line: str) -> None:
    assert_takes(crm, re.split(r" (?:>|\|) ", line)[0])


def assert_takes(command: click.Command, line: str) -> None:
    words = line.split()
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.commands.get(words.pop(0))
        assert found, line
        command = found
    options = {each for parameter in command.params for each in parameter.opts}
    given = {word.partition("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert given <= options, line


def test_pages_have_commands_of_each_kind() -> None:
    assert len(told()) > 20
    assert len(of_the_client()) > 5
    assert len(of_kubernetes()) > 20


@pytest.mark.parametrize("line", of_kubernetes())
def test_what_a_command_of_kubernetes_names_is_in_the_manifests(line: str) -> None:
    named = {(_KINDS[kind], name) for kind, name in _OBJECT.findall(line)}
    known = objects()
    jobs = {name for kind, name in known if kind == "Job"}
    for kind, name in named:
        # The name of a Job ends in the version that is rolled out: it is chosen by its label.
        assert kind != "Job" or name not in jobs, line
        assert (kind, name) in known, line


def test_a_log_is_that_of_all_pods() -> None:
    """Of a Deployment's pods kubectl would choose one."""
    assert [line for line in of_kubernetes() if re.search(r" logs .*deploy(ment)?/", line)] == []


def test_rabbitmq_is_asked_about_the_virtual_host_of_the_platform() -> None:
    """The default one is empty: a list of its queues tells nobody anything."""
    asked = [
        line for line in commands_told() if re.search(r"rabbitmqctl .*list_\w*(queue|perm)", line)
    ]
    assert len(asked) >= 5
    assert [line for line in asked if "--vhost crm" not in line] == []


def test_programs_are_run_with_what_they_import() -> None:
    """What is in deploy/operations imports the packages, which are in the virtual environment."""
    programs = r"(?:recover|rehearse|embedded)\.py"
    run = [line for line in commands_told() if re.search(rf"(?:^|[ /]){programs} [-a-z]", line)]
    assert run
    assert [line for line in run if ".venv/bin/python deploy/operations/" not in line] == []
