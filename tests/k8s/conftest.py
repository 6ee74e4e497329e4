"""The manifests as they reach a cluster: rendered, and read with the eyes of Kubernetes."""

from __future__ import annotations

import shutil
import subprocess
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
    """

    namespace: str
    owner: str
    labels: Mapping[str, str]
    spec: Manifest | None
    ports: frozenset[str] = frozenset()

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
            yield Pods(namespace, name.partition("-")[0], labels, spec, frozenset(ports))
        elif item["kind"] == "Cluster":  # CloudNativePG's
            labels = {"cnpg.io/cluster": name, **item["spec"]["inheritedMetadata"]["labels"]}
            yield Pods(namespace, name, labels, None, frozenset({"postgresql", "metrics"}))
        elif item["kind"] == "RabbitmqCluster":
            labels = {"app.kubernetes.io/name": name, "app.kubernetes.io/component": "rabbitmq"}
            yield Pods(namespace, name, labels, None, frozenset({"amqp", "prometheus"}))


@cache
def _render(folder: str) -> Rendered:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed")
    done = subprocess.run(
        [kubectl, "kustomize", str(FOLDER / folder)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Rendered(folder, [item for item in yaml.load_all(done.stdout, _LOADER) if item])


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


@pytest.fixture(params=SERVICES)
def service(request: pytest.FixtureRequest) -> str:
    return str(request.param)
