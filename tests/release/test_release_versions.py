"""Each service has its version and its changelog, in one form, and tells the same everywhere."""

from __future__ import annotations

import datetime
import re
import shutil
import sys
from pathlib import Path

import pytest

from crm_chassis import __version__ as chassis
from crm_local.testing import application

RELEASE = Path(__file__).parents[2] / "deploy/release"
sys.path.insert(0, str(RELEASE))

from release import PACKAGES, ROOT, NotReleasable, Package, commands  # noqa: E402 - no package

INTRODUCTION = """\
# Changelog

The format is that of [Keep a Changelog](https://keepachangelog.com/en/1.1.0/); versions follow
[Semantic Versioning](https://semver.org/spec/v2.0.0.html).
"""
SECTION = re.compile(r"Unreleased|(?P<version>\d+\.\d+\.\d+)( - \d{4}-\d{2}-\d{2})?")
KINDS = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
SERVICES = [name for name in PACKAGES if name != "shared"]
DAY = datetime.date(2026, 11, 30)


@pytest.mark.parametrize("name", PACKAGES)
def test_the_version_is_the_same_wherever_it_stands(name: str) -> None:
    versions = Package(name).versions()
    assert set(versions.values()) == {Package(name).version}, versions
    assert len(versions) == (2 if name == "shared" else 3)


@pytest.mark.parametrize("name", PACKAGES)
def test_the_changelog_has_the_one_form_and_the_version(name: str) -> None:
    text = Package(name).changelog.read_text()
    assert text.startswith(INTRODUCTION)
    titles = re.findall(r"^## (.*)$", text, re.MULTILINE)
    sections = [SECTION.fullmatch(title) for title in titles]
    assert all(sections), titles
    assert titles[0] == "Unreleased"
    versions = [section["version"] for section in sections[1:] if section]
    assert versions[0] == Package(name).version
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(numbers, reverse=True)
    assert set(re.findall(r"^### (.*)$", text, re.MULTILINE)) <= KINDS


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_tells_its_version_and_its_chassis(service: str, tmp_path: Path) -> None:
    app = application(service, f"sqlite:///{tmp_path / 'x.db'}", tmp_path)
    told = app.test_client().get("/healthz").json
    assert told is not None
    assert told["version"] == Package(service).version
    assert told["chassis"] == chassis == Package("shared").version


@pytest.fixture
def sales(tmp_path: Path) -> Package:
    """Sales in a checkout of its own, with something unreleased."""
    for path in (*Package("sales").versions(), Package("sales").changelog):
        target = tmp_path / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    package = Package("sales", tmp_path)
    package.changelog.write_text(
        f"{INTRODUCTION}\n## Unreleased\n\n### Added\n\n- A thing.\n\n## {package.version}\n"
    )
    return package


def test_a_release_writes_version_and_date(sales: Package) -> None:
    before = sales.version
    sales.raise_to("7.1.0", DAY)
    assert set(sales.versions().values()) == {"7.1.0"}
    assert sales.changelog.read_text() == (
        f"{INTRODUCTION}\n## Unreleased\n\n## 7.1.0 - 2026-11-30\n\n### Added\n\n- A thing.\n\n"
        f"## {before}\n"
    )
    assert sales.unreleased() == ""


@pytest.mark.parametrize("version", ["7.1", "v7.1.0", "0.0.9", "present"])
def test_a_version_that_is_none_or_not_newer_is_refused(sales: Package, version: str) -> None:
    before = sales.project.read_text()
    with pytest.raises(NotReleasable):
        sales.raise_to(sales.version if version == "present" else version, DAY)
    assert sales.project.read_text() == before


def test_nothing_unreleased_is_no_release(sales: Package) -> None:
    sales.raise_to("7.1.0", DAY)
    with pytest.raises(NotReleasable, match="nothing unreleased"):
        sales.raise_to("7.2.0", DAY)


def test_the_steps_name_the_tag_the_image_and_the_way_back() -> None:
    steps = commands("sales", "7.1.0", "7.0.0")
    for step in ("git tag sales-v7.1.0", "crm/sales:7.1.0", "git checkout sales-v7.0.0", "compare"):
        assert step in steps
