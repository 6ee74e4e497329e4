"""``python deploy/release/matrix.py sales``: test one service with the released others.

The service is taken from this checkout, and each of the others from its newest tag,
``<service>-v<version>``. The contracts are compared first; then tests of the whole platform run
over processes of the different versions, on PostgreSQL and RabbitMQ.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

from release import Package

from crm_contracts import Catalogue
from crm_contracts.rollout import compare
from crm_contracts.statements import Statement, state
from crm_local.processes import SOURCES

ROOT = Path(__file__).parents[2]
TESTS = (
    "tests/integration/test_first_slice.py",
    "tests/integration/test_purchase_history.py",
    "tests/integration/test_merge.py",
    "tests/integration/test_races.py",
    "tests/integration/test_trace.py",
)
"""What runs when no tests are named: the ways of events and requests through all services."""


class NoRelease(Exception):
    """A service has no released version to test with."""


def _git(*arguments: str) -> bytes:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout  # noqa: S603 - our own repository


def newest_tag(service: str) -> str | None:
    """None before a service's first release."""
    listed = _git("tag", "--list", f"{service}-v*", "--sort=-version:refname")
    return next(iter(listed.decode().split()), None)


def _tag(service: str) -> str:
    if tag := newest_tag(service):
        return tag
    raise NoRelease(f"{service} has no tag {service}-v<version>: name a commit with --released")


def extract(ref: str, folder: Path) -> Path:
    """The repository as it was at ``ref``, in a folder of its own."""
    target = folder / ref.replace("/", "-")
    if not target.exists():
        with tarfile.open(fileobj=io.BytesIO(_git("archive", "--format=tar", ref))) as tar:
            tar.extractall(target, filter="data")
    return target


def interpreter(service: str, checkout: Path) -> str:
    """One that has what the released service depends on.

    It is this one where neither what the service asks for nor the version of a library is another
    one here, else that of a virtual environment beside the checkout.
    """
    if _asked(service, checkout) == _asked(service, ROOT) and not moved(checkout):
        return sys.executable
    home = checkout / ".venv"
    if not home.exists():
        venv.create(home, with_pip=True)
    python = str(home / "bin/python")
    install = [python, "-m", "pip", "install", "--quiet"]
    constraints = ["--constraint", str(checkout / "constraints.txt")]
    packages = [f"{checkout / 'shared'}[s3]", str(checkout / SOURCES[service])]
    subprocess.run([*install, *constraints, *packages], check=True)  # noqa: S603 - our packages
    return python


def _asked(service: str, checkout: Path) -> set[str]:
    projects = (checkout / folder / "pyproject.toml" for folder in ("shared", SOURCES[service]))
    return {
        dependency
        for project in projects
        for dependency in tomllib.loads(project.read_text())["project"]["dependencies"]
    }


def moved(checkout: Path) -> set[str]:
    """The libraries whose version is another one there than here."""
    there, here = (_pins(at / "constraints.txt") for at in (checkout, ROOT))
    return {name for name in there.keys() & here.keys() if there[name] != here[name]}


def _pins(constraints: Path) -> dict[str, str]:
    lines = constraints.read_text().splitlines()
    return dict(line.split("==", 1) for line in lines if "==" in line and not line.startswith("#"))


def statement(service: str, checkout: Path) -> Statement:
    """What the version of a service in a checkout publishes and handles."""
    catalogue = Catalogue.load(checkout / "shared/crm_contracts")
    return state(service, Package(service, checkout).version, catalogue)


def environment(others: Mapping[str, Path]) -> dict[str, str]:
    """What has the tests start each of the others from where it was extracted."""
    variables = dict(os.environ)
    for service, checkout in others.items():
        prefix = f"CRM_{service.replace('-', '_').upper()}"
        variables[f"{prefix}_CHECKOUT"] = str(checkout)
        variables[f"{prefix}_PYTHON"] = interpreter(service, checkout)
    return variables


def run(service: str, released: Mapping[str, str], tests: Sequence[str]) -> int:
    """Compare the contracts, then run the tests.

    :param released: a tag or commit for a service, in place of its newest tag.
    :returns: the exit status: 0 when both say yes.
    :raises NoRelease: when one of the others has no tag, and none was named.
    """
    refs = {other: released.get(other) or _tag(other) for other in SOURCES if other != service}
    with tempfile.TemporaryDirectory(prefix="crm-released-") as folder:
        others = {other: extract(ref, Path(folder)) for other, ref in refs.items()}
        for other, ref in refs.items():
            print(f"{other} as of {ref}")
        running = [statement(other, checkout) for other, checkout in others.items()]
        if before := released.get(service) or newest_tag(service):
            running.append(statement(service, extract(before, Path(folder))))
        answer = compare(statement(service, ROOT), running)
        print(answer.text(), flush=True)
        command = [sys.executable, "-m", "pytest", "-k", "servers", *tests]
        tested = subprocess.run(command, cwd=ROOT, env=environment(others), check=False)  # noqa: S603 - our own tests
    return 0 if answer.may_go and tested.returncode == 0 else 1


def released_refs(named: Sequence[str]) -> dict[str, str]:
    """``["v1", "sales=v2"]`` as the ref of each service."""
    for_all = [ref for ref in named if "=" not in ref]
    refs = dict.fromkeys(SOURCES, for_all[-1]) if for_all else {}
    return refs | dict(ref.split("=", 1) for ref in named if "=" in ref)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("service", choices=SOURCES)
    parser.add_argument(
        "--released",
        metavar="[SERVICE=]REF",
        action="append",
        default=[],
        help="a commit in place of the newest tag of a service, or of all",
    )
    parser.add_argument("tests", nargs="*", help="what pytest is to run; a choice when left out")
    arguments, options = parser.parse_known_args()
    tests = arguments.tests or TESTS
    try:
        sys.exit(run(arguments.service, released_refs(arguments.released), [*tests, *options]))
    except NoRelease as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
