"""What runs, as Kubernetes will read it: what offline validators do not look at."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from crm_chassis.broker import topology
from crm_chassis.settings import Settings
from crm_chassis.storage import open_storage
from crm_contracts.catalogue import catalogue
from crm_gateway.settings import GatewaySettings

ROOT = Path(__file__).parents[2]
PARTS = ("api", "worker", "migrate")
PACKAGES = {
    "gateway": ROOT / "gateway",
    **{folder.name: folder for folder in (ROOT / "services").iterdir() if folder.is_dir()},
}
GRACEFUL_SECONDS = 25
"""For requests (gunicorn's graceful timeout) and for a worker's batch."""
OF_THE_PROCESS = {"MALLOC_MMAP_THRESHOLD_"}
"""Variables that glibc reads, not the settings."""

Manifest = dict[str, Any]


def running(rendered) -> Iterator[Any]:
    """The pods whose contents are ours to say."""
    yield from (pods for pods in rendered.pods if pods.spec is not None)


def settings_of(service: str) -> type[Settings]:
    return GatewaySettings if service == "gateway" else Settings


def variables(kind: type[Settings]) -> dict[str, bool]:
    """Every variable that the settings read, and whether they can do without."""
    return {
        each.metadata.get("variable", each.name.upper()): each.default is not MISSING
        for each in fields(kind)
        if each.name != "service"
    }


def bytes_of(quantity: str) -> float:
    """A Kubernetes quantity in its unit: bytes, or processors."""
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(quantity)).groups()
    return float(number) * {"": 1, "m": 0.001, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}[unit]


def test_probes_ask_what_they_are_for_at_a_port_that_is_there(anything):
    wanted = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for pods in running(anything):
        if pods.owner not in ("api", "worker"):
            continue
        (container,) = pods.spec["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        assert ports == ({"http": 8000} if pods.owner == "api" else {"probes": 8001})
        for probe, path in wanted.items():
            get = container[probe]["httpGet"]
            assert get["path"] == path
            assert get["port"] in ports
        patience = container["livenessProbe"]
        assert patience["periodSeconds"] * patience["failureThreshold"] >= 60


def test_whatever_stays_up_has_all_three_probes(anything):
    for pods in running(anything):
        if pods.spec.get("restartPolicy") == "OnFailure":
            continue
        for container in pods.spec["containers"]:
            assert {"startupProbe", "livenessProbe", "readinessProbe"} <= set(container), pods.name


def test_there_is_time_to_finish_before_the_kill(anything):
    for pods in running(anything):
        if pods.owner not in ("api", "worker"):
            continue
        (container,) = pods.spec["containers"]
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {"seconds": 0})
        grace = pods.spec["terminationGracePeriodSeconds"]
        assert grace > pause["seconds"] + GRACEFUL_SECONDS
        assert (pause["seconds"] > 0) == (pods.owner == "api")


def test_a_roll_out_takes_no_pod_away_before_its_successor_is_ready(anything):
    for deployment in anything.of_kind("Deployment"):
        assert deployment["spec"]["strategy"] == {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        }


def test_nothing_starts_before_its_schema_is_there(anything):
    for deployment in anything.of_kind("Deployment"):
        waits, *_ = deployment["spec"]["template"]["spec"]["initContainers"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert waits["args"] == ["migrate", "--wait"]
        assert waits["image"] == container["image"]
        assert waits["envFrom"] == container["envFrom"]
    for job in anything.of_kind("Job"):
        first, *_ = _in_order(job["spec"]["template"]["spec"])
        assert first["args"] == ["migrate"]
        tag = first["image"].partition(":")[2]
        assert job["metadata"]["name"] == f"migrate-{tag}"


def test_a_changed_setting_replaces_the_pods_and_leaves_the_job_as_it_is(production):
    """What a Job runs cannot be changed: an apply that tried would fail."""
    for kind, pattern in (("Deployment", r"settings-[a-z0-9]{10}"), ("Job", r"migrate-settings")):
        for item in production.of_kind(kind):
            for container in _in_order(item["spec"]["template"]["spec"]):
                (name,) = (
                    source["configMapRef"]["name"]
                    for source in container["envFrom"]
                    if "configMapRef" in source
                )
                assert re.fullmatch(pattern, name)
                assert production.find("ConfigMap", item["metadata"]["namespace"], name)


def test_the_api_gets_more_pods_when_a_core_is_nearly_used_and_not_before(production):
    """One process of Python uses one core, whatever it requests of the scheduler."""
    for scaler in production.of_kind("HorizontalPodAutoscaler"):
        (metric,) = scaler["spec"]["metrics"]
        assert metric["resource"]["name"] == "cpu"
        target = metric["resource"]["target"]
        assert target["type"] == "AverageValue"
        assert 0.5 <= bytes_of(target["averageValue"]) <= 0.9


def _in_order(spec: Manifest) -> list[Manifest]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def test_every_container_has_limits_and_asks_for_no_more(anything):
    for pods in running(anything):
        for container in pods.containers:
            resources = container["resources"]
            assert set(resources["requests"]) == {"cpu", "memory", "ephemeral-storage"}
            assert set(resources["limits"]) == set(resources["requests"])
            for name, asked in resources["requests"].items():
                assert bytes_of(asked) <= bytes_of(resources["limits"][name]), (pods.name, name)
    for item in anything.of_kind("Cluster", "RabbitmqCluster"):
        resources = item["spec"]["resources"]
        for name, asked in resources["requests"].items():
            assert bytes_of(asked) <= bytes_of(resources["limits"][name])


def test_a_laptop_is_enough(laptop):
    asked = {"cpu": 0.0, "memory": 0.0}
    for pods in running(laptop):
        if pods.spec.get("restartPolicy") == "OnFailure":
            continue
        for container in pods.spec["containers"]:
            for name in asked:
                asked[name] += bytes_of(container["resources"]["requests"][name])
    assert asked["cpu"] <= 1
    assert asked["memory"] <= 4 * 2**30


def test_pods_are_restricted_and_know_nothing_of_kubernetes(anything):
    for pods in running(anything):
        security = pods.spec["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] > 0
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pods.spec["automountServiceAccountToken"] is False
        assert pods.spec["enableServiceLinks"] is False
        account = anything.find("ServiceAccount", pods.namespace, pods.spec["serviceAccountName"])
        assert account is not None
        assert account["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pods.spec)
        for container in pods.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_namespaces_hold_pods_to_that(platform):
    for labels in platform.namespaces().values():
        assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def test_what_is_mounted_is_there(anything):
    for pods in running(anything):
        claims = {
            claim["metadata"]["name"]
            for item in anything.of_kind("StatefulSet")
            if item["metadata"]["namespace"] == pods.namespace
            for claim in item["spec"].get("volumeClaimTemplates", [])
        }
        volumes = {volume["name"]: volume for volume in pods.spec.get("volumes", [])}
        mounted = {mount["name"] for each in pods.containers for mount in each["volumeMounts"]}
        assert mounted - claims == set(volumes), pods.name
        for container in pods.containers:
            assert "/tmp" in {mount["mountPath"] for mount in container["volumeMounts"]}
        for volume in volumes.values():
            _assert_source_is_there(anything, pods.namespace, volume)


def _assert_source_is_there(rendered: Any, namespace: str, volume: Manifest) -> None:
    if "persistentVolumeClaim" in volume:
        name = volume["persistentVolumeClaim"]["claimName"]
        assert rendered.find("PersistentVolumeClaim", namespace, name)
    elif "configMap" in volume:
        assert rendered.find("ConfigMap", namespace, volume["configMap"]["name"])
    else:
        assert "sizeLimit" in volume["emptyDir"]


def test_selectors_take_the_pods_they_are_meant_for(anything):
    for item in anything.objects:
        namespace = item["metadata"].get("namespace")
        selector = item.get("spec", {}).get("selector")
        if selector is None or item["kind"] == "PodMonitor":
            continue
        labels = selector.get("matchLabels", selector)
        chosen = [
            pods
            for pods in anything.pods
            if pods.namespace == namespace and labels.items() <= dict(pods.labels).items()
        ]
        assert [pods.owner for pods in chosen] == [_meant(item)], item["metadata"]
    for pods in running(anything):
        for constraint in pods.spec.get("topologySpreadConstraints", []):
            assert constraint["labelSelector"]["matchLabels"].items() <= pods.labels.items()


def _meant(item: Manifest) -> str:
    return str(item["metadata"]["name"]).removesuffix("-rw")


def test_services_lead_to_ports_that_are_there(anything):
    for item in anything.of_kind("Service"):
        (pods,) = (
            pods
            for pods in running(anything)
            if pods.namespace == item["metadata"]["namespace"] and pods.owner == _meant(item)
        )
        assert {port["targetPort"] for port in item["spec"]["ports"]} <= pods.ports


def test_scalers_and_budgets_are_for_something_that_runs(production):
    for namespace in production.namespaces():
        if namespace == "crm-broker":
            continue
        for kind, name in (("HorizontalPodAutoscaler", "api"), ("ScaledObject", "worker")):
            scaler = production.find(kind, namespace, name)
            target = scaler["spec"]["scaleTargetRef"]["name"]
            deployment = production.find("Deployment", namespace, target)
            assert "replicas" not in deployment["spec"], "two would set it"
            assert production.find("PodDisruptionBudget", namespace, target)
        (trigger,) = scaler["spec"]["triggers"]
        access = production.find(
            "TriggerAuthentication", namespace, trigger["authenticationRef"]["name"]
        )
        (secret,) = access["spec"]["secretTargetRef"]
        assert secret["key"] in production.secrets(namespace)[secret["name"]]
        assert production.find("Queue", "crm-broker", trigger["metadata"]["queueName"])
        assert trigger["metadata"]["queueName"] == f"{namespace.removeprefix('crm-')}.events"


def test_two_of_each_at_least_run_in_production(production):
    for item in production.of_kind("HorizontalPodAutoscaler"):
        assert item["spec"]["minReplicas"] >= 2
    for item in production.of_kind("ScaledObject"):
        assert item["spec"]["minReplicaCount"] >= 2
    for item in production.of_kind("PodDisruptionBudget"):
        assert item["spec"]["maxUnavailable"] == 1


def test_metrics_are_fetched_of_every_pod_at_a_port_it_has(production):
    fetched = set()
    for monitor in production.of_kind("PodMonitor"):
        ports = {endpoint["port"] for endpoint in monitor["spec"]["podMetricsEndpoints"]}
        for pods in production.pods:
            if pods.namespace == monitor["metadata"]["namespace"] and _takes(monitor, pods.labels):
                assert ports & pods.ports
                fetched.add(pods.name)
    assert fetched == {pods.name for pods in production.pods if pods.lasting}


def _takes(monitor: Manifest, labels: dict[str, str]) -> bool:
    selector = monitor["spec"]["selector"]
    return selector.get("matchLabels", {}).items() <= labels.items() and all(
        labels.get(each["key"]) in each["values"] for each in selector.get("matchExpressions", [])
    )


def test_every_image_names_its_version_and_ours_is_the_packages(anything):
    versions = {name: _version(folder) for name, folder in PACKAGES.items()}
    for pods in running(anything):
        for container in pods.containers:
            name, _, tag = container["image"].partition(":")
            ours = re.search(r"(?:^|/)crm/([a-z-]+)$", name)
            assert tag not in ("", "latest"), container["image"]
            if ours:
                assert tag == versions[ours[1]]
            if pods.owner in PARTS:
                assert pods.namespace == f"crm-{ours[1]}"
                assert pods.labels["app.kubernetes.io/version"] == tag


def _version(folder: Path) -> str:
    read = tomllib.loads((folder / "pyproject.toml").read_text())
    return str(read["project"]["version"])


def test_everything_of_a_service_bears_its_name(anything):
    for pods in running(anything):
        if pods.owner in PARTS:
            assert pods.labels["app.kubernetes.io/name"] == pods.namespace
            assert pods.labels["app.kubernetes.io/part-of"] == "crm"
            assert pods.labels["app.kubernetes.io/component"] == pods.owner


def test_a_service_has_one_database_and_no_other(platform, service):
    namespace = f"crm-{service}"
    databases = [
        item
        for item in platform.of_kind("Cluster", "StatefulSet")
        if item["metadata"]["namespace"] == namespace
    ]
    assert len(databases) == 1
    for address in _addresses(platform, namespace, "DATABASE_URL"):
        # A name without a dot is one of this namespace.
        assert re.search(r"@database-rw:5432/crm(\?|$)", address)
    assert platform.find("Service", namespace, "database-rw") or databases[0]["kind"] == "Cluster"


def _addresses(rendered: Any, namespace: str, key: str) -> list[str]:
    found = []
    for item in rendered.of_kind("Secret", "ExternalSecret"):
        if item["metadata"]["namespace"] != namespace:
            continue
        if item["kind"] == "Secret" and key in item["data"]:
            found.append(base64.b64decode(item["data"][key]).decode())
        elif item["kind"] == "ExternalSecret" and key in item["spec"]["target"]["template"]["data"]:
            found.append(item["spec"]["target"]["template"]["data"][key])
    assert found
    return found


def test_variables_are_such_as_the_settings_read_and_none_is_missing(platform, service):
    known = variables(settings_of(service))
    namespace = f"crm-{service}"
    secrets = platform.secrets(namespace)
    for pods in running(platform):
        if pods.namespace != namespace or pods.owner == "database":
            continue
        for container in pods.containers:
            given = set()
            for source in container["envFrom"]:
                if "configMapRef" in source:
                    name = source["configMapRef"]["name"]
                    given |= set(platform.find("ConfigMap", namespace, name)["data"])
                else:
                    given |= secrets[source["secretRef"]["name"]]
            assert given - OF_THE_PROCESS <= set(known)
            assert {name for name, optional in known.items() if not optional} <= given


def test_a_service_takes_the_settings_of_the_laptop(laptop, service, monkeypatch):
    namespace = f"crm-{service}"
    for item in laptop.of_kind("ConfigMap", "Secret"):
        if item["metadata"]["namespace"] == namespace and "BIND" in item["data"]:
            _set(monkeypatch, item["data"])
        elif item["metadata"]["name"].startswith(namespace):
            _set(monkeypatch, {k: base64.b64decode(v).decode() for k, v in item["data"].items()})
    settings = settings_of(service).from_environment(service)
    assert not settings.embedded
    if service in ("customer", "sales"):
        assert open_storage(settings)


def _set(monkeypatch: pytest.MonkeyPatch, given: dict[str, str]) -> None:
    for name, value in given.items():
        monkeypatch.setenv(name, value)


def test_the_broker_of_the_laptop_knows_the_accounts_that_the_services_use(laptop):
    (accounts,) = _addresses(laptop, "crm-broker", "ACCOUNTS")
    known = dict(account.split("=", 1) for account in accounts.split())
    for name in known:
        assert _addresses(laptop, f"crm-{name}", "BROKER_URL") == [known[name]]


def test_that_broker_starts_with_the_rights_that_the_code_derives(laptop, tmp_path):
    (pods,) = (pods for pods in laptop.pods if pods.owner == "broker")
    (container,) = pods.spec["initContainers"]
    (script,) = container["args"]
    given = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    given["ACCOUNTS"] = _addresses(laptop, "crm-broker", "ACCOUNTS")[0]
    target = tmp_path / "definitions.json"
    programs = Path(sys.executable).parent
    subprocess.run(
        [*container["command"], script.replace("/definitions/definitions.json", str(target))],
        env={"PATH": f"{programs}:/usr/bin:/bin", **given},
        check=True,
    )
    definitions = json.loads(target.read_text())
    assert {user["name"] for user in definitions["users"]} == {
        f"crm-{service}" for service in topology.services(catalogue())
    }
    assert {right["configure"] for right in definitions["permissions"]} == {"^$"}


@pytest.mark.parametrize("service", ["customer", "sales"])
def test_attachments_have_a_place(platform, service):
    namespace = f"crm-{service}"
    keys = platform.secrets(namespace).get(namespace, set())
    for name in ("api", "worker"):
        (pods,) = (p for p in platform.pods if p.namespace == namespace and p.owner == name)
        mounts = {mount["mountPath"] for mount in pods.spec["containers"][0]["volumeMounts"]}
        assert "ATTACHMENTS_URL" in keys or "/var/lib/crm/attachments" in mounts


_CREDENTIALS = re.compile(r"://[^/\s:@{]+:(?!\{\{)[^@\s]+@")
_SECRET_NAME = re.compile(r"password|secret_access_key|sealing_key|token$", re.IGNORECASE)


def test_production_has_no_secret_in_clear(production):
    assert not production.of_kind("Secret")
    for path, value in _texts(production.objects):
        assert not _CREDENTIALS.search(value), path
        if _SECRET_NAME.search(path[-1]):
            assert value.startswith("{{"), path


def test_the_laptops_secrets_are_for_development_only(laptop):
    for item in laptop.of_kind("Secret"):
        for name, encoded in item["data"].items():
            value = base64.b64decode(encoded).decode()
            if name == "SEALING_KEY":
                value = base64.urlsafe_b64decode(value).decode()
            assert name == "username" or "development-only" in value
    for path, value in _texts(laptop.objects):
        assert not _CREDENTIALS.search(value), path


def test_development_secrets_say_so_where_they_stand():
    files = list((ROOT / "deploy/k8s").rglob("*.example.env"))
    assert files
    for path in files:
        assert path.read_text().startswith("# For development on one machine only.")
        assert yaml.safe_load((path.parent / "kustomization.yaml").read_text())["secretGenerator"]


def _texts(node: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _texts(value, (*path, str(key)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _texts(value, (*path, str(index)))
    elif isinstance(node, str):
        yield path, node
