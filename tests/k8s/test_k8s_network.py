"""Who may talk to whom: worked out from the policies as a cluster does, and held to the design."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from itertools import product
from typing import Any

SERVICES = ("customer", "sales", "marketing", "service-desk", "reporting")
ALL = (*SERVICES, "gateway")

Policy = dict[str, Any]
Line = tuple[str, str, int]
"""From whom, to whom, at which port."""
ENDS = ("Egress", "Ingress")


@dataclass(frozen=True)
class Peer:
    """Something that talks or is talked to: pods, or an address outside of every selector."""

    name: str
    namespace: str = ""
    labels: Mapping[str, str] | None = None
    address: str = "10.1.2.3"
    listens: tuple[int, ...] = ()


OUTSIDE = (
    Peer("names", "kube-system", {"k8s-app": "kube-dns"}, listens=(53,)),
    Peer("prometheus", "monitoring", {"app.kubernetes.io/name": "prometheus"}, listens=(9090,)),
    Peer(
        "collector",
        "monitoring",
        {"app.kubernetes.io/name": "opentelemetry-collector"},
        listens=(4317, 4318),
    ),
    Peer(
        "ingress",
        "envoy-gateway-system",
        {"gateway.envoyproxy.io/owning-gateway-name": "public"},
        listens=(8443,),
    ),
    Peer("keda", "keda", {"app": "keda-operator"}, listens=(9666,)),
    Peer("cnpg", "cnpg-system", {"app.kubernetes.io/name": "cloudnative-pg"}, listens=(9443,)),
    Peer("rabbitmq-operators", "rabbitmq-system", {}, listens=(9443,)),
    Peer("stranger", "default", {"app.kubernetes.io/component": "api"}, listens=(8000, 5432)),
    Peer("kubernetes", address="10.0.0.1", listens=(443, 6443)),
    Peer("internet", address="203.0.113.7", listens=(80, 443, 5432)),
)
PORTS = {
    "api": (8000,),
    "worker": (8001,),
    "migrate": (),
    "database": (5432, 8000, 9187),
    "database-job": (),
    "certificate-solver": (8089,),
    "broker": (4369, 5672, 15672, 15692, 25672),
}


def selects(selector: Policy, labels: Mapping[str, str]) -> bool:
    """Whether a label selector, of which the empty one takes all, takes these labels."""
    wanted = selector.get("matchLabels", {}).items() <= dict(labels).items()
    return wanted and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions", [])
    )


def _holds(expression: Policy, labels: Mapping[str, str]) -> bool:
    if expression["operator"] == "Exists":
        return expression["key"] in labels
    assert expression["operator"] == "In"
    return labels.get(expression["key"]) in expression["values"]


class Cluster:
    """The policies of a rendered overlay, and everybody whom they are about."""

    def __init__(self, rendered) -> None:
        self._policies = rendered.of_kind("NetworkPolicy")
        self._namespaces = rendered.namespaces()
        own = [
            Peer(_short(pods), pods.namespace, pods.labels, listens=PORTS[pods.owner])
            for pods in rendered.pods
        ]
        self.peers = [*own, *OUTSIDE]
        self.own = {peer.name for peer in own}
        self._ports = {port for peer in self.peers for port in peer.listens}

    def lines(self, ends: Sequence[str] = ENDS) -> Iterator[Line]:
        """Every connection of one of the platform's pods that the policies at these ends allow."""
        for source, target in product(self.peers, self.peers):
            if self.own.isdisjoint({source.name, target.name}):
                continue
            for port in self._ports if target.name in self.own else target.listens:
                if all(self._allows(end, source, target, port) for end in ends):
                    yield source.name, target.name, port

    def _allows(self, direction: str, source: Peer, target: Peer, port: int) -> bool:
        subject, other = (source, target) if direction == "Egress" else (target, source)
        if subject.labels is None:
            return True
        about = [policy for policy in self._policies if _is_about(policy, direction, subject)]
        rules = [rule for policy in about for rule in policy["spec"].get(direction.lower(), [])]
        home = subject.namespace
        return not about or any(self._rule_allows(rule, home, other, port) for rule in rules)

    def _rule_allows(self, rule: Policy, home: str, other: Peer, port: int) -> bool:
        peers = rule.get("from", []) + rule.get("to", [])
        fits = not peers or any(self.names(peer, home, other) for peer in peers)
        return fits and any(
            entry["port"] <= port <= entry.get("endPort", entry["port"])
            for entry in rule.get("ports", [{"port": 0, "endPort": 65535}])
        )

    def names(self, peer: Policy, home: str, other: Peer) -> bool:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            address = ip_address(other.address)
            within = address in ip_network(block["cidr"])
            return within and not any(address in ip_network(but) for but in block.get("except", []))
        if other.labels is None:
            return False
        if "namespaceSelector" in peer:
            labels = self._namespaces.get(
                other.namespace, {"kubernetes.io/metadata.name": other.namespace}
            )
            right_namespace = selects(peer["namespaceSelector"], labels)
        else:
            right_namespace = other.namespace == home
        return right_namespace and selects(peer.get("podSelector", {}), other.labels)


def _short(pods) -> str:
    """``sales api`` for the api of crm-sales; the broker is alone in its namespace."""
    service = pods.namespace.removeprefix("crm-")
    return service if service == pods.owner else f"{service} {pods.owner}"


def _is_about(policy: Policy, direction: str, subject: Peer) -> bool:
    assert "policyTypes" in policy["spec"], "what it restricts must not be guessed"
    return (
        policy["metadata"]["namespace"] == subject.namespace
        and direction in policy["spec"]["policyTypes"]
        and selects(policy["spec"]["podSelector"], subject.labels or {})
    )


def the_picture() -> Iterator[Line]:
    """What the design draws, and no more."""
    for service in SERVICES:
        yield "gateway api", f"{service} api", 8000
        yield f"{service} api", "gateway api", 8000  # the keys that tokens are verified with
    for name in ALL:
        for part in ("api", "worker", "migrate"):
            yield f"{name} {part}", f"{name} database", 5432
            yield f"{name} {part}", "names", 53
        yield f"{name} database", "names", 53
        yield f"{name} worker", "broker", 5672
    yield "broker", "names", 53


def what_production_adds() -> Iterator[Line]:
    """The way in, operators, metrics, traces, buckets."""
    yield "ingress", "gateway api", 8000
    yield "ingress", "gateway certificate-solver", 8089
    yield "gateway certificate-solver", "names", 53
    for name in ALL:
        database, job = f"{name} database", f"{name} database-job"
        for part in ("api", "worker", "migrate"):
            yield f"{name} {part}", "collector", 4318
        yield "prometheus", f"{name} api", 8000
        yield "prometheus", f"{name} worker", 8001
        yield "prometheus", database, 9187
        yield job, "names", 53
        for port in (5432, 8000):
            yield database, database, port
            yield job, database, port  # a new instance copies from the first
            yield "cnpg", database, port
        for part in (database, job):
            yield part, "kubernetes", 443
            yield part, "kubernetes", 6443
            yield part, "internet", 443  # the bucket of its backups
    for name in ("customer", "sales"):
        for part in ("api", "worker"):
            yield f"{name} {part}", "internet", 443  # the bucket of its attachments
    yield "prometheus", "broker", 15692
    yield "keda", "broker", 5672
    yield "rabbitmq-operators", "broker", 15672
    yield "broker", "broker", 4369
    yield "broker", "broker", 25672
    yield "broker", "kubernetes", 443
    yield "broker", "kubernetes", 6443


def test_on_a_laptop_exactly_the_lines_of_the_picture_are_allowed(laptop):
    assert set(Cluster(laptop).lines()) == set(the_picture())


def test_in_production_exactly_those_and_its_own_are_allowed(production):
    assert set(Cluster(production).lines()) == {*the_picture(), *what_production_adds()}


def test_no_service_talks_to_another_nor_to_its_database(platform):
    parts = {
        (source.split()[0], target.split()[0])
        for source, target, _ in Cluster(platform).lines()
        if source.split()[0] in SERVICES and target.split()[0] in SERVICES
    }
    assert parts == {(service, service) for service in SERVICES}


def test_each_end_alone_refuses_what_is_not_allowed(platform):
    """One policy that is too wide is not enough to open a line between the platform's pods."""
    cluster = Cluster(platform)
    own = {line for line in cluster.lines() if cluster.own.issuperset(line[:2])}
    for end in ENDS:
        alone = {line for line in cluster.lines([end]) if cluster.own.issuperset(line[:2])}
        # Databases and the broker may go to any address for what has no pods, at these ports.
        assert {line for line in alone - own if line[2] not in (443, 6443)} == set()


def test_every_pod_is_denied_what_is_not_allowed(platform):
    """Also the pods that somebody adds to a namespace later."""
    for namespace in platform.namespaces():
        denial = platform.find("NetworkPolicy", namespace, "deny-all")
        assert denial is not None
        assert denial["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_every_policy_and_every_peer_in_it_means_somebody(platform):
    cluster = Cluster(platform)
    for policy in platform.of_kind("NetworkPolicy"):
        home, name = policy["metadata"]["namespace"], policy["metadata"]["name"]
        assert _chosen(cluster, home, {"podSelector": policy["spec"]["podSelector"]}), name
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            assert rule["ports"], name
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                assert "ipBlock" in peer or _chosen(cluster, home, peer), (home, name, peer)


def _chosen(cluster: Cluster, home: str, peer: Policy) -> list[Peer]:
    return [other for other in cluster.peers if cluster.names(peer, home, other)]
