"""The Dockerfiles, read as they are: what is in an image, and as whom it runs."""

from __future__ import annotations

import importlib
import re
import runpy
import tomllib
from pathlib import Path

import pytest

from crm_local.processes import MODULES

ROOT = Path(__file__).parents[2]
IMAGES = runpy.run_path(str(ROOT / "deploy/compose/images.py"))
FOLDERS: dict[str, str] = IMAGES["FOLDERS"]


def text_of(service: str) -> str:
    return (ROOT / FOLDERS[service] / "Dockerfile").read_text()


def instructions(service: str) -> list[tuple[str, str]]:
    """Of the whole file, continued lines joined."""
    lines = [line for line in text_of(service).splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def last_stage(service: str) -> list[tuple[str, str]]:
    """What the image itself is made of."""
    found = instructions(service)
    begins = max(number for number, (name, _) in enumerate(found) if name == "FROM")
    return found[begins:]


def values(service: str, name: str) -> list[str]:
    return [value for found, value in last_stage(service) if found == name]


def test_every_service_has_one() -> None:
    assert FOLDERS.keys() == MODULES.keys()
    found = {path.parent for path in ROOT.glob("services/*/Dockerfile")}
    assert found | {ROOT / "gateway"} == {ROOT / folder for folder in FOLDERS.values()}


@pytest.mark.parametrize("service", MODULES)
class TestDockerfile:
    def test_it_needs_nothing_but_a_base_image(self, service: str) -> None:
        assert not text_of(service).startswith("# syntax=")
        stages = re.findall(r"^FROM (\S+)(?: AS (\S+))?", text_of(service), re.MULTILINE)
        known = {name for _, name in stages}
        assert {base for base, _ in stages} - known == {"python:${PYTHON}-slim"}

    def test_it_runs_as_nobody_in_particular(self, service: str) -> None:
        (user,) = values(service, "USER")
        assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)

    def test_signals_arrive(self, service: str) -> None:
        (entry,) = values(service, "ENTRYPOINT")
        assert entry == f'["flask", "--app", "{MODULES[service]}"]'
        assert values(service, "CMD") == ['["api"]']

    def test_it_tells_of_its_health(self, service: str) -> None:
        (check,) = values(service, "HEALTHCHECK")
        assert check.endswith('CMD ["python", "-m", "crm_chassis.probe"]')
        assert importlib.util.find_spec("crm_chassis.probe")

    def test_nothing_is_installed_in_the_last_stage(self, service: str) -> None:
        runs = " ".join(values(service, "RUN"))
        assert "pip uninstall" in runs
        assert not re.search(r"pip install|apt-get|curl|wget|chmod [ug]\+s", runs)
        copies = values(service, "COPY")
        assert all(copy.startswith("--from=") for copy in copies)

    def test_it_has_the_service_and_no_other(self, service: str) -> None:
        copied = {value.split()[0] for name, value in instructions(service) if name == "COPY"}
        folders = {source for source in copied if source.startswith(("services", "gateway"))}
        assert folders == {FOLDERS[service], f"{FOLDERS[service]}/pyproject.toml"}

    def test_libraries_come_before_code(self, service: str) -> None:
        text = text_of(service)
        assert text.index("pyproject.toml") < text.index("pip --python")
        assert text.index("compileall") < text.index("COPY shared shared")

    def test_the_bucket_library_is_there_where_files_are_kept(self, service: str) -> None:
        source = (ROOT / FOLDERS[service]).glob("crm_*/app.py")
        keeps_files = any("attachments=[" in path.read_text() for path in source)
        assert ("shared[s3]" in text_of(service)) == keeps_files
        assert ("ATTACHMENTS_DIR" in text_of(service)) == keeps_files

    def test_its_labels_tell_what_it_is(self, service: str) -> None:
        labels = " ".join(values(service, "LABEL"))
        package = tomllib.loads((ROOT / FOLDERS[service] / "pyproject.toml").read_text())
        assert f'image.title="crm-{service}"' in labels
        assert f'image.description="{package["project"]["description"]}"' in labels
        assert 'image.version="$VERSION"' in labels
        assert 'image.revision="$REVISION"' in labels

    def test_its_version_is_that_of_the_package(self, service: str) -> None:
        module = importlib.import_module(MODULES[service].removesuffix(".app"))
        assert IMAGES["version"](service) == module.__version__


def test_the_common_stage_is_the_same_everywhere() -> None:
    def stage(service: str) -> str:
        text = text_of(service)
        return text[text.index("ARG PYTHON") : text.index("# The libraries alone")]

    assert len({stage(service) for service in MODULES}) == 1


def test_only_sources_are_sent_to_the_builder() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    assert allowed == {"constraints.txt", "gateway", "services", "shared"}
    assert {"**/.*", "**/tests", "**/testing*.py", "**/__pycache__"} <= set(rules)
