"""Writes the manifests that follow from what stands elsewhere in the project.

The broker's topology and accounts come from the catalogue of events, the alert rules from
deploy/telemetry.
``python deploy/k8s/generate.py`` writes them anew; a test holds them equal to their sources.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from crm_chassis.broker import topology
from crm_contracts.catalogue import catalogue

VHOST = "crm"
BROKER = "broker"
FOLDER = Path(__file__).parent
TOPOLOGY = FOLDER / "components/rabbitmq-cluster/topology.yaml"
ACCOUNTS = FOLDER / "components/external-secrets/broker/accounts.yaml"
RULES = FOLDER / "components/monitoring/broker/rules.yaml"
RULE_FILES = FOLDER.parent / "telemetry/prometheus/rules"

Manifest = dict[str, Any]


def topology_manifests() -> Iterator[Manifest]:
    """The broker's objects and accounts, as the messaging topology operator's resources."""
    contracts = catalogue()
    accounts = {
        service: f"amqp://{_account(service)}@{BROKER}/{VHOST}"
        for service in topology.services(contracts)
    }
    definitions = topology.definitions(contracts, accounts)
    yield _resource("Vhost", VHOST, name=VHOST)
    for exchange in definitions["exchanges"]:
        yield _of_vhost("Exchange", exchange["name"], **_lasting(exchange), type=exchange["type"])
    for queue in definitions["queues"]:
        yield _queue(queue)
    for binding in definitions["bindings"]:
        yield _binding(binding)
    for user in definitions["users"]:
        secret = {"name": _credentials(user["name"])}
        yield _resource("User", user["name"], importCredentialsSecret=secret)
    for permission in definitions["permissions"]:
        yield _right("Permission", permission["user"], permission, "configure", "write", "read")
    for permission in definitions["topic_permissions"]:
        name = f"{permission['user']}-{permission['exchange']}"
        yield _right("TopicPermission", name, permission, "exchange", "write", "read")


def _account(service: str) -> str:
    return f"crm-{service}"


def _credentials(account: str) -> str:
    """Name of the secret with an account's user name and password."""
    return f"{account}-broker"


def _resource(kind: str, name: str, /, **spec: Any) -> Manifest:
    return {
        "apiVersion": "rabbitmq.com/v1beta1",
        "kind": kind,
        "metadata": {"name": re.sub(r"[^a-z0-9.-]", "-", name)},
        "spec": {**spec, "rabbitmqClusterReference": {"name": BROKER}},
    }


def _of_vhost(kind: str, name: str, /, **spec: Any) -> Manifest:
    return _resource(kind, name, vhost=VHOST, **spec)


def _lasting(declared: Manifest) -> Manifest:
    return {
        "name": declared["name"],
        "durable": declared["durable"],
        "autoDelete": declared["auto_delete"],
    }


def _queue(declared: Manifest) -> Manifest:
    arguments = dict(declared["arguments"])
    kind = arguments.pop("x-queue-type")  # the operator's resource has a field for it
    spec = {**_lasting(declared), "type": kind}
    if arguments:
        spec["arguments"] = arguments
    return _of_vhost("Queue", declared["name"], **spec)


def _binding(declared: Manifest) -> Manifest:
    source, queue, key = (declared[name] for name in ("source", "destination", "routing_key"))
    return _of_vhost(
        "Binding",
        f"{queue}.{source}.{key.replace('*', 'any')}",
        source=source,
        destination=queue,
        destinationType=declared["destination_type"],
        routingKey=key,
    )


def _right(kind: str, name: str, declared: Manifest, *rights: str) -> Manifest:
    return _of_vhost(
        kind,
        name,
        userReference={"name": declared["user"]},
        permissions={right: declared[right] for right in rights},
    )


def account_manifests() -> Iterator[Manifest]:
    """The credentials of the accounts, from each service's entry in the vault."""
    watched = {"rabbitmq.com/topology-operator": "true"}  # the operator reads no other secret
    for account in map(_account, topology.services(catalogue())):
        data = {"username": "{{ .broker_username }}", "password": "{{ .broker_password }}"}
        yield {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "metadata": {"name": _credentials(account)},
            "spec": {
                "refreshInterval": "1h",
                "secretStoreRef": {"kind": "ClusterSecretStore", "name": "crm"},
                "target": {
                    "name": _credentials(account),
                    "template": {
                        "engineVersion": "v2",
                        "mergePolicy": "Replace",
                        "metadata": {"labels": watched},
                        "data": data,
                    },
                },
                "dataFrom": [{"extract": {"key": account}}],
            },
        }


def rule_manifests() -> Iterator[Manifest]:
    """The alert rules, as one resource of the Prometheus operator for each file of theirs."""
    for path in sorted(RULE_FILES.glob("*.y*ml")):
        yield {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {"name": f"crm-{path.stem}"},
            "spec": yaml.safe_load(path.read_text()),
        }


def written(source: str, manifests: Iterator[Manifest]) -> str:
    """The text of a generated file."""
    heading = f"# Written by deploy/k8s/generate.py from {source}. Do not edit.\n"
    return heading + yaml.safe_dump_all(manifests, sort_keys=False, width=100)


def files() -> dict[Path, str]:
    """Every generated file, with what it should hold."""
    return {
        TOPOLOGY: written("the catalogue of events", topology_manifests()),
        ACCOUNTS: written("the catalogue of events", account_manifests()),
        RULES: written("deploy/telemetry/prometheus/rules", rule_manifests()),
    }


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text)
