"""docker-compose.yml holds what it promises; read as it is, without Docker."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_chassis.broker import topology
from crm_contracts import catalogue
from crm_local.processes import MODULES

ROOT = Path(__file__).parents[2]
FILE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = FILE["services"]
CORE = {name: service for name, service in SERVICES.items() if "profiles" not in service}
JOBS = {name for name, service in SERVICES.items() if service["restart"] == "no"}
LASTING = CORE.keys() - JOBS
SERVERS = {"postgres", "rabbitmq"}
OWN = sorted(CORE.keys() - SERVERS)

PASSWORD = re.compile(r"://[^:/@]+:([^@]+)@")
DEFAULT = re.compile(r"\$\{\w+:-(.*)\}")
DOCUMENTED = "first-sign-in"  # in the README, for the administrator of a trial


README = (ROOT / "deploy" / "compose" / "README.md").read_text("utf-8")


def section(title: str) -> str:
    """What the README says under a heading."""
    return README.partition(f"## {title}\n")[2].partition("\n## ")[0]


def mebibytes(limit: str) -> int:
    assert limit.endswith("m"), limit
    return int(limit.removesuffix("m"))


def networks(name: str) -> set[str]:
    return set(SERVICES[name]["networks"])


def waits_for(name: str, other: str) -> str | None:
    """What ``name`` waits for in ``other``, directly or by way of what it waits for."""
    for dependency, how in SERVICES[name].get("depends_on", {}).items():
        found = how["condition"] if dependency == other else waits_for(dependency, other)
        if found:
            return found
    return None


def test_every_service_of_the_catalogue_has_its_processes() -> None:
    assert set(topology.services(catalogue())) <= MODULES.keys()
    for name in MODULES:
        assert {f"{name}-api", f"{name}-worker", f"{name}-migrate"} <= CORE.keys()
        assert SERVICES[f"{name}-worker"]["command"] == ["worker"]
        assert SERVICES[f"{name}-migrate"]["command"] == ["migrate"]


def test_the_core_stays_below_two_gigabytes() -> None:
    assert sum(mebibytes(SERVICES[name]["mem_limit"]) for name in LASTING) < 2048


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_is_limited_and_locked_in(name: str) -> None:
    service = SERVICES[name]
    assert mebibytes(service["mem_limit"])
    assert service["pids_limit"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    user = service.get("user", "10001")  # of the images that are built here
    assert not str(user).startswith(("0", "root"))
    assert (name in JOBS) == (service["restart"] == "no")


@pytest.mark.parametrize("name", MODULES)
def test_the_schema_comes_before_what_needs_it(name: str) -> None:
    assert waits_for(f"{name}-migrate", "postgres") == "service_healthy"
    for process in ("api", "worker"):
        done = waits_for(f"{name}-{process}", f"{name}-migrate")
        assert done == "service_completed_successfully"
    assert waits_for(f"{name}-worker", "rabbitmq") == "service_healthy"
    assert waits_for("rabbitmq", "rabbitmq-definitions") == "service_completed_successfully"


@pytest.mark.parametrize("name", MODULES)
def test_the_processes_of_a_service_share_image_database_and_files(name: str) -> None:
    api, worker, migrate = (SERVICES[f"{name}-{role}"] for role in ("api", "worker", "migrate"))
    assert api["image"] == worker["image"] == migrate["image"]
    assert api["environment"] == worker["environment"] == migrate["environment"]
    assert api.get("volumes") == worker.get("volumes")
    assert (ROOT / api["build"]["dockerfile"]).is_file()


def test_each_service_has_a_database_a_role_and_an_account_of_its_own() -> None:
    for variable in ("DATABASE_URL", "BROKER_URL"):
        urls = [SERVICES[f"{name}-api"]["environment"][variable] for name in MODULES]
        accounts = {url.split("://")[1].split(":")[0] for url in urls}
        assert len(accounts) == len(MODULES)
    databases = {url.rsplit("/", 1)[1] for url in urls}
    assert databases == {"crm"}  # the virtual host is one


def test_a_service_reaches_its_servers_and_the_gateway_and_no_other_service() -> None:
    for name in MODULES:
        for process in (f"{name}-api", f"{name}-worker"):
            near = {other for other in OWN if networks(process) & networks(other)}
            strangers = near - {"gateway-api", "rabbitmq-definitions"} - JOBS
            if process != "gateway-api":
                assert strangers <= {f"{name}-api", f"{name}-worker"}
            for server in SERVERS:
                assert networks(process) & networks(server)
    inner = {name for name, network in FILE["networks"].items() if (network or {}).get("internal")}
    assert all(networks(name) <= inner for name in CORE.keys() - {"gateway-api"})


def test_only_the_gateway_is_published_and_on_this_machine_alone() -> None:
    published = {name: service["ports"] for name, service in CORE.items() if "ports" in service}
    assert published == {"gateway-api": ["127.0.0.1:${PORT:-8080}:8000"]}
    for service in SERVICES.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def secrets_of(service: dict[str, Any]) -> list[str]:
    """Every value in the environment and the command that lets someone in."""
    environment = service.get("environment", {})
    named = [
        str(value)
        for key, value in environment.items()
        if re.search(r"PASSWORD|KEY$|SECRET|TOKEN$", key)
    ]
    texts = [*environment.values(), *service.get("command", [])]
    inside = [PASSWORD.search(text) for text in texts if isinstance(text, str)]
    return named + [found[1] for found in inside if found]


@pytest.mark.parametrize("name", SERVICES)
def test_a_secret_is_a_variable_whose_default_says_what_it_is_for(name: str) -> None:
    for secret in secrets_of(SERVICES[name]):
        found = DEFAULT.fullmatch(secret)
        assert found, secret
        assert "development" in found[1] or found[1] == DOCUMENTED, secret


def test_a_password_has_one_default_everywhere() -> None:
    defaults: dict[str, set[str]] = {}
    for variable, default in re.findall(
        r"\$\{(\w+):-([^}]*)\}", (ROOT / "docker-compose.yml").read_text()
    ):
        defaults.setdefault(variable, set()).add(default)
    assert {name: found for name, found in defaults.items() if len(found) > 1} == {}


def test_every_variable_is_documented() -> None:
    readme = (ROOT / "deploy/compose/README.md").read_text()
    used = set(re.findall(r"\$\{(\w+)", (ROOT / "docker-compose.yml").read_text()))
    assert {name for name in used if f"`{name}`" not in readme} == set()


def test_what_is_mounted_is_there() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (ROOT / source).exists(), (name, source)
            else:
                assert source in FILE["volumes"], (name, source)


def test_the_grace_period_is_longer_than_what_is_under_way_may_take() -> None:
    for name in LASTING:
        assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) > 25 + 5


def test_prometheus_asks_containers_that_there_are() -> None:
    config = yaml.safe_load((ROOT / "deploy/telemetry/prometheus/prometheus.yml").read_text())
    targets = {
        target
        for job in config["scrape_configs"]
        for static in job["static_configs"]
        for target in static["targets"]
    }
    hosts = {target.split(":")[0] for target in targets} - {"localhost"}
    processes = {f"{name}-{role}" for name in MODULES for role in ("api", "worker")}
    assert processes <= hosts <= SERVICES.keys()
    assert all(networks(host) & networks("prometheus") for host in hosts)


def test_an_upgrade_builds_the_image_that_the_brokers_definitions_come_from() -> None:
    """It is one service's image, and RabbitMQ reads what it wrote only when it starts."""
    told = section("Upgrade")
    image = re.match(r"crm/([a-z-]+):", SERVICES["rabbitmq-definitions"]["image"])
    assert image
    (built,) = re.findall(r'make images SERVICES="([^"]+)"', told)
    assert image[1] in built.split()
    output = next(
        word.partition("=")[2]
        for word in SERVICES["rabbitmq-definitions"]["command"]
        if word.startswith("--output=")
    )
    (mount,) = (each for each in SERVICES["rabbitmq"]["volumes"] if "definitions:" in each)
    loaded = f"{mount.split(':')[1]}/{Path(output).name}"
    lines = told.splitlines()
    again = lines.index("docker compose up --force-recreate rabbitmq-definitions")
    taken_in = lines.index(f"docker compose exec rabbitmq rabbitmqctl import_definitions {loaded}")
    started = next(number for number, line in enumerate(lines) if "up --detach" in line)
    assert again < taken_in < started, "what publishes a new event starts last"


def test_the_back_up_is_typed_for_what_is_in_the_file() -> None:
    told = section("Back-up")
    commands = re.findall(r"^docker run .*?^ +postgres:\S+ .*?$", told, re.M | re.S)
    assert len(commands) == 2
    for command in commands:
        assert re.findall(r"--network crm_(\S+)", command) == ["sales"]
        assert "sales" in networks("postgres")
        assert f" {SERVICES['postgres']['image']} " in command
        volumes = set(re.findall(r"--volume crm_([a-z-]+):", command))
        assert volumes == {each.partition(":")[0] for each in SERVICES["sales-api"]["volumes"]}
        assert volumes <= FILE["volumes"].keys()
        (url,) = re.findall(r"DATABASE_URL=postgresql://(\S+)", command)
        set_url = SERVICES["sales-api"]["environment"]["DATABASE_URL"]
        assert url == re.sub(r"\$\{\w+:-(.*?)\}", r"\1", set_url).partition("://")[2]
        for script in re.findall(r"/operations/(\S+\.sh)", command):
            assert (ROOT / "deploy" / "operations" / script).exists()


def test_the_sealing_key_is_kept_apart_from_the_back_ups() -> None:
    """Whoever has both can sign tokens; the pages agree on it."""
    pages = (README, (ROOT / "docs" / "security.md").read_text("utf-8"))
    for page in pages:
        said = " ".join(page.split())
        assert "as safely" in said
        assert "but apart from" in said
        assert "SEALING_KEY` beside" not in said
