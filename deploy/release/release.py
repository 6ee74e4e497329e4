"""``python deploy/release/release.py sales 0.2.0``: give one service its next version.

Writes the version wherever it stands, and today's date over what the changelog has as unreleased;
then tells the commands that release it. None of them is run here.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "gateway": ("gateway", "crm_gateway"),
    "customer": ("services/customer", "crm_customer"),
    "sales": ("services/sales", "crm_sales"),
    "marketing": ("services/marketing", "crm_marketing"),
    "service-desk": ("services/service-desk", "crm_service_desk"),
    "reporting": ("services/reporting", "crm_reporting"),
    "shared": ("shared", "crm_chassis"),
}
"""Folder and package of each service, and of the chassis, which is released like one."""

_VERSION = r"\d+\.\d+\.\d+"
_UNRELEASED = "## Unreleased"


class NotReleasable(Exception):
    """The release cannot be made; the message says why."""


class Package:
    """One service, or the chassis, as it lies in a checkout."""

    def __init__(self, name: str, root: Path = ROOT) -> None:
        folder, module = PACKAGES[name]
        self.name = name
        self.project = root / folder / "pyproject.toml"
        self.module = root / folder / module / "__init__.py"
        self.changelog = root / folder / "CHANGELOG.md"
        self.image = root / "deploy/k8s/base" / name / "release/kustomization.yaml"

    @property
    def version(self) -> str:
        return str(tomllib.loads(self.project.read_text())["project"]["version"])

    def versions(self) -> dict[Path, str]:
        """The version, by each file in which it stands."""
        found = {self.project: self.version, self.module: self._read(self.module, "__version__ = ")}
        if self.image.exists():  # the chassis has no image of its own
            found[self.image] = self._read(self.image, "newTag: ")
        return found

    def unreleased(self) -> str:
        """What the changelog has as unreleased; empty when nothing is."""
        _, _, after = self.changelog.read_text().partition(f"{_UNRELEASED}\n")
        return re.split(rf"^## {_VERSION}", after, flags=re.MULTILINE)[0].strip()

    def raise_to(self, version: str, day: datetime.date) -> None:
        """Write the version, and its section of the changelog.

        :raises NotReleasable: it is no version, not a newer one, or nothing has changed.
        """
        if not re.fullmatch(_VERSION, version):
            raise NotReleasable(f"{version} is not <major>.<minor>.<patch>")
        if _number(version) <= _number(self.version):
            raise NotReleasable(f"{self.name} is at {self.version} already")
        if not self.unreleased():
            raise NotReleasable(f"{self.changelog.name} of {self.name} has nothing unreleased")
        for path, before in self.versions().items():
            self._replace(path, before, version)
        text = self.changelog.read_text()
        section = f"{_UNRELEASED}\n\n## {version} - {day.isoformat()}\n"
        self.changelog.write_text(text.replace(f"{_UNRELEASED}\n", section, 1))

    def _read(self, path: Path, before: str) -> str:
        found = re.search(rf"^\s*{before}\"?({_VERSION})", path.read_text(), re.MULTILINE)
        if found is None:
            raise NotReleasable(f"{path} has no version")
        return found[1]

    def _replace(self, path: Path, before: str, after: str) -> None:
        pattern = rf"^(\s*(?:version = |__version__ = |newTag: )\"?){re.escape(before)}"
        text, count = re.subn(pattern, rf"\g<1>{after}", path.read_text(), flags=re.MULTILINE)
        if count != 1:
            raise NotReleasable(f"{path} has the version {count} times")
        path.write_text(text)


def commands(name: str, version: str, before: str) -> str:
    """What is to be done after the files are written, in order, as a shell takes it."""
    if name == "shared":
        return _CHASSIS.format(version=version)
    return _SERVICE.format(name=name, version=version, before=before)


_CHASSIS = """\
git commit --all --message "Chassis {version}" && git tag shared-v{version}
# A service has it from its own next release on.
"""
_SERVICE = """\
# 1. May it go beside what runs? (0 yes, 1 no, 2 nobody could tell)
python -m crm_contracts state {name} > {name}-{version}.json
python -m crm_contracts compare {name}-{version}.json --gateway https://crm.example.com
# 2. Does it work with the last released versions of the others?
python deploy/release/matrix.py {name}
# 3. Commit, tag, image; REGISTRY is yours.
git commit --all --message "{name} {version}" && git tag {name}-v{version}
make images SERVICES={name}
docker tag crm/{name}:{version} "$REGISTRY"/crm/{name}:{version}
docker push "$REGISTRY"/crm/{name}:{version}
# 4. Roll out: migrations, then new beside old, then new alone.
kubectl apply --server-side --kustomize deploy/k8s/overlays/production/{name}
kubectl --namespace crm-{name} rollout status deployment/api deployment/worker
# 5. Back, if need be: the older version works on the newer schema. Nothing is migrated back.
git checkout {name}-v{before} -- deploy/k8s/base/{name}/release
kubectl apply --server-side --kustomize deploy/k8s/overlays/production/{name}
"""


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("name", choices=PACKAGES)
    parser.add_argument("version", help="<major>.<minor>.<patch>, above the present one")
    parser.add_argument(
        "--date",
        type=datetime.date.fromisoformat,
        default=datetime.datetime.now(datetime.UTC).date(),
        help="of the release; today when left out",
    )
    arguments = parser.parse_args()
    package = Package(arguments.name)
    before = package.version
    try:
        package.raise_to(arguments.version, arguments.date)
    except NotReleasable as error:
        sys.exit(str(error))
    print(commands(arguments.name, arguments.version, before), end="")


if __name__ == "__main__":
    main()
