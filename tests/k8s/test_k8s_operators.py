"""The resources of operators fit together, and the generated ones are as their sources say."""

from __future__ import annotations

import runpy
from collections import Counter
from pathlib import Path

import pytest
import yaml

from crm_chassis.broker import topology
from crm_contracts.catalogue import catalogue

FOLDER = Path(__file__).parents[2] / "deploy/k8s"
DASHBOARDS = FOLDER.parent / "telemetry/grafana/dashboards"


def test_generated_files_are_what_their_sources_say():
    files = runpy.run_path(str(FOLDER / "generate.py"))["files"]()
    for path, text in files.items():
        assert path.read_text() == text, f"{path.name}: run deploy/k8s/generate.py"


def test_the_broker_gets_what_the_code_declares(production):
    accounts = {name: f"amqp://crm-{name}@broker/crm" for name in topology.services(catalogue())}
    wanted = topology.definitions(catalogue(), accounts)

    def specs(kind):
        return [item["spec"] for item in production.of_kind(kind)]

    assert [spec["name"] for spec in specs("Vhost")] == [each["name"] for each in wanted["vhosts"]]
    assert {(spec["name"], spec["type"]) for spec in specs("Exchange")} == {
        (each["name"], each["type"]) for each in wanted["exchanges"]
    }
    assert {
        spec["name"]: {"x-queue-type": spec["type"], **spec.get("arguments", {})}
        for spec in specs("Queue")
    } == {each["name"]: each["arguments"] for each in wanted["queues"]}
    assert Counter(
        (spec["source"], spec["destination"], spec["routingKey"]) for spec in specs("Binding")
    ) == Counter(
        (each["source"], each["destination"], each["routing_key"]) for each in wanted["bindings"]
    )
    for kind, declared in (
        ("Permission", wanted["permissions"]),
        ("TopicPermission", wanted["topic_permissions"]),
    ):
        rights = [
            {"user": each["userReference"]["name"], **each["permissions"]} for each in specs(kind)
        ]
        for each in declared:
            assert each.pop("vhost") == "crm"
            rights.remove(each)
        assert rights == []


def test_what_the_broker_gets_refers_to_what_is_there(production):
    names = {
        kind: {item["metadata"]["name"] for item in production.of_kind(kind)}
        for kind in ("User", "RabbitmqCluster")
    }
    for kind in ("Vhost", "Exchange", "Queue", "Binding", "User", "Permission", "TopicPermission"):
        for item in production.of_kind(kind):
            spec = item["spec"]
            assert spec["rabbitmqClusterReference"]["name"] in names["RabbitmqCluster"]
            assert spec.get("vhost", "crm") == "crm"
            if "userReference" in spec:
                assert spec["userReference"]["name"] in names["User"]
            if kind == "User":
                secret = spec["importCredentialsSecret"]["name"]
                given = production.secrets("crm-broker")[secret]
                assert given == {"username", "password"}


def test_the_topology_operator_may_read_the_accounts_secrets(production):
    """Its webhook refuses a User whose secret lacks the label, and a new password is not seen."""
    users = production.of_kind("User")
    assert users
    for user in users:
        name = user["spec"]["importCredentialsSecret"]["name"]
        made = production.find("ExternalSecret", "crm-broker", name)["spec"]["target"]["template"]
        assert made["metadata"]["labels"] == {"rabbitmq.com/topology-operator": "true"}


def test_no_two_objects_share_a_name(anything):
    names = Counter(
        (
            item["apiVersion"],
            item["kind"],
            item["metadata"].get("namespace"),
            item["metadata"]["name"],
        )
        for item in anything.objects
    )
    assert [name for name, times in names.items() if times > 1] == []


def test_the_broker_outlives_one_of_its_nodes(production):
    (cluster,) = production.of_kind("RabbitmqCluster")
    assert cluster["spec"]["replicas"] == 3
    assert all(item["spec"]["type"] == "quorum" for item in production.of_kind("Queue"))


def test_a_database_outlives_one_of_its_instances_and_is_archived(production, service):
    namespace = f"crm-{service}"
    cluster = production.find("Cluster", namespace, "database")
    secrets = production.secrets(namespace)
    assert cluster["spec"]["instances"] == 3
    assert cluster["spec"]["enablePDB"] is True
    owner = cluster["spec"]["bootstrap"]["initdb"]["secret"]["name"]
    assert secrets[owner] == {"username", "password"}
    (archive,) = cluster["spec"]["plugins"]
    store = production.find("ObjectStore", namespace, archive["parameters"]["barmanObjectName"])
    destination = store["spec"]["configuration"]["destinationPath"]
    assert destination.endswith(f"/{namespace}"), "no two services write to one place"
    for reference in store["spec"]["configuration"]["s3Credentials"].values():
        assert reference["key"] in secrets[reference["name"]]
    (nightly,) = (
        item
        for item in production.of_kind("ScheduledBackup")
        if item["metadata"]["namespace"] == namespace
    )
    assert nightly["spec"]["cluster"]["name"] == "database"
    assert nightly["spec"]["pluginConfiguration"]["name"] == archive["name"]


def test_a_lock_of_a_lost_node_is_free_within_half_a_minute(production, service):
    """The relay's standby waits for it; the operating system would wait for two hours."""
    cluster = production.find("Cluster", f"crm-{service}", "database")
    given = cluster["spec"]["postgresql"]["parameters"]
    idle, interval, count = (
        int(given[f"tcp_keepalives_{name}"]) for name in ("idle", "interval", "count")
    )
    assert 0 < idle + interval * count <= 30


def test_everything_that_names_a_restored_database_names_the_new_one(restored, production):
    (cluster,) = restored.of_kind("Cluster")
    name = cluster["metadata"]["name"]
    lost = production.find("Cluster", "crm-sales", "database")["metadata"]["name"]
    assert name != lost, "what may still be needed is not replaced"
    recovery = cluster["spec"]["bootstrap"]["recovery"]
    assert list(cluster["spec"]["bootstrap"]) == ["recovery"]
    assert str(recovery["recoveryTarget"]["targetTime"]).startswith("2026-11-22 01:00:00")
    (source,) = cluster["spec"]["externalClusters"]
    assert source["name"] == recovery["source"]
    read = source["plugin"]["parameters"]
    assert restored.find("ObjectStore", "crm-sales", read["barmanObjectName"])
    assert read["serverName"] == lost
    (archive,) = cluster["spec"]["plugins"]
    assert "serverName" not in archive["parameters"], "it writes under its own name"
    (nightly,) = restored.of_kind("ScheduledBackup")
    assert nightly["spec"]["cluster"]["name"] == name
    assert nightly["metadata"]["name"] != "nightly", "the Cluster of a schedule cannot be changed"
    given, before = (
        each.find("ExternalSecret", "crm-sales", "service")["spec"]["target"]["template"]["data"]
        for each in (restored, production)
    )
    address = before["DATABASE_URL"].replace("@database-rw:", f"@{name}-rw:")
    assert given == {**before, "DATABASE_URL": address}


def test_the_way_in_ends_in_tls_and_leads_to_the_gateway_alone(production):
    (entrance,) = production.of_kind("Gateway")
    listeners = {listener["name"]: listener for listener in entrance["spec"]["listeners"]}
    assert listeners["https"]["tls"]["certificateRefs"]
    assert "cert-manager.io/cluster-issuer" in entrance["metadata"]["annotations"]
    backends = []
    for route in production.of_kind("HTTPRoute"):
        namespace = route["metadata"]["namespace"]
        (parent,) = route["spec"]["parentRefs"]
        assert parent["sectionName"] in listeners
        for rule in route["spec"]["rules"]:
            if rule.get("backendRefs"):
                paths = [match["path"] for match in rule["matches"]]
                assert paths == [{"type": "PathPrefix", "value": "/api/"}], "no probes, no metrics"
            redirected = [each["requestRedirect"]["scheme"] for each in rule.get("filters", [])]
            assert redirected == ([] if parent["sectionName"] == "https" else ["https"])
            backends += [(namespace, each["name"]) for each in rule.get("backendRefs", [])]
            for backend in rule.get("backendRefs", []):
                target = production.find("Service", namespace, backend["name"])
                assert backend["port"] in {port["port"] for port in target["spec"]["ports"]}
    assert backends == [("crm-gateway", "api")]


def test_every_dashboard_is_given_to_grafana(production):
    given = {
        name
        for item in production.of_kind("ConfigMap")
        if "grafana_dashboard" in item["metadata"].get("labels", {})
        for name in item["data"]
    }
    assert given == {path.name for path in DASHBOARDS.glob("*.json")}
    assert given


def test_every_component_is_part_of_an_overlay():
    """What no overlay has, no test here renders."""
    used: set[Path] = set()
    waiting = [FOLDER / "overlays/laptop", FOLDER / "overlays/production"]
    while waiting:
        folder = waiting.pop()
        used.add(folder)
        read = yaml.safe_load((folder / "kustomization.yaml").read_text())
        named = [*read.get("resources", []), *read.get("components", [])]
        waiting += [path for name in named if (path := (folder / name).resolve()).is_dir()]
    used.add(FOLDER / "components/postgresql-restored")  # only after a loss; the fixture has it
    assert {path.parent for path in FOLDER.rglob("kustomization.yaml")} <= used


@pytest.mark.parametrize("overlay", ["laptop", "production"])
def test_a_department_applies_its_own_service_alone(overlay):
    for folder in (FOLDER / "overlays" / overlay).iterdir():
        named = FOLDER / "base" / folder.name
        if named.is_dir() and (named / "kustomization.yaml").exists():
            read = yaml.safe_load((folder / "kustomization.yaml").read_text())
            expected = "Component" if folder.name == "service" else "Kustomization"
            assert read["kind"] == expected
