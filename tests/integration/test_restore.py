"""A service comes back from a back-up, the others went on meanwhile: in the end all agree."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deployment import Deployment
from recover import MODULES, Recovery
from rehearse import Backup, rehearse, restore
from sqlalchemy import text

from crm_chassis.broker import topology
from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Signer
from crm_chassis.testing_servers import PostgresServer, RabbitServer
from crm_contracts import catalogue
from crm_gateway.first_start import first_start
from crm_local.processes import service_accounts

pytestmark = pytest.mark.skipif(
    os.environ.get("REHEARSALS") != "1", reason="REHEARSALS=1 asks for it: it takes minutes"
)

OPERATIONS = Path(__file__).parents[2] / "deploy/operations"
PASSWORD = "correct horse battery staple"
EUR = {"currency": "EUR"}
MARGIN = timedelta(seconds=1)
POLL_SECONDS = 0.1
PATIENCE_SECONDS = 60

COPIES = (
    ("sales", "replica_accounts", "customer", "accounts", "external_id, name, owner_id, team_id"),
    ("sales", "replica_contacts", "customer", "contacts", "external_id, account_id, owner_id"),
    ("sales", "replica_campaigns", "marketing", "campaigns", "name, status"),
    ("service-desk", "replica_accounts", "customer", "accounts", "name"),
    ("customer", "replica_orders", "sales", "orders", "number, status, total, returned_amount"),
    ("customer", "replica_deals", "sales", "opportunities", "name, stage, amount"),
    ("customer", "replica_tickets", "service-desk", "tickets", "number, status, subject"),
    ("customer", "replica_campaigns", "marketing", "campaigns", "name, status"),
    ("reporting", "opportunities", "sales", "opportunities", "stage_type, currency, closed_on"),
    ("reporting", "orders", "sales", "orders", "status, currency, placed_on"),
    ("reporting", "leads", "sales", "leads", "status, created_on"),
    ("reporting", "accounts", "customer", "accounts", "industry, region, created_on"),
    ("reporting", "tickets", "service-desk", "tickets", "status, opened_on, resolved_on"),
    ("reporting", "campaigns", "marketing", "campaigns", "channel, status"),
    *(
        (name, f"directory_{rows}", "gateway", rows, columns)
        for name in MODULES
        if name != "gateway"
        for rows, columns in (("users", "name, team_id, active"), ("teams", "name, parent_id"))
    ),
)
"""Consumer, its table, the producer, its table, and the columns in which they agree."""

_MONTHS = "WHERE dimension = 'all' AND grain = 'month'"
FIGURES = (
    (
        "reporting",
        f"SELECT sum(won_count), sum(won_value) / 10000 FROM rollup_closed_deals {_MONTHS}",
        "sales",
        "SELECT count(*), sum(amount) FROM opportunities WHERE stage_type = 'won'",
    ),
    (
        "reporting",
        f"SELECT sum(count), sum(value) / 10000 FROM rollup_returns {_MONTHS}",
        "sales",
        "SELECT count(*), sum(amount) FROM order_returns",
    ),
    (
        "customer",
        "SELECT count(*), sum(amount) FROM replica_order_returns",
        "sales",
        "SELECT count(*), sum(amount) FROM order_returns",
    ),
    (
        "customer",
        "SELECT count(*) FROM timeline WHERE kind = 'order' AND what = 'returned'",
        "sales",
        "SELECT count(*) FROM order_returns",
    ),
    (
        "customer",
        "SELECT sum(orders) FROM customer_figures",
        "sales",
        "SELECT count(*) FROM orders",
    ),
)
"""Consumer, what it made of events, the producer, and what is true there."""


@dataclass
class Company:
    """A company at work, and those who keep its services."""

    deployment: Deployment
    backups: Path
    signer: Signer
    taken: dict[str, Backup] = field(default_factory=dict)
    numbers: list[str] = field(default_factory=list)
    _count: int = 0

    def api(self, service: str) -> Caller:
        everything: Any = {"*": "all"}
        token = self.signer.token(
            f"crm-{service}",
            lifetime=3600,
            sub=new_id(),
            name="Test",
            kind="client",
            team=None,
            roles=[],
            grants=everything,
        )
        return Caller(self.deployment.apps[service], "test", token)

    def ok(
        self, service: str, path: str, body: Any = None, method: str = "POST", **more: Any
    ) -> Any:
        answer = self.api(service).call(method, f"/v1/{path}", json=body, **more)
        assert answer.status_code < 300, (service, path, answer.status_code, answer.json)
        return answer.json

    def at(
        self, service: str, path: str, version: int, body: Any = None, method: str = "POST"
    ) -> Any:
        return self.ok(service, path, body or {}, method, headers={"If-Match": f'"{version}"'})

    def work(self, rounds: int = 1, without: Collection[str] = ()) -> None:
        """Something happens in every service, but perhaps some."""
        for _ in range(rounds):
            self._count += 1
            for name, act in self._acts().items():
                if name not in without:
                    act(f"No {self._count}")

    def _acts(self) -> dict[str, Callable[[str], None]]:
        return {
            "gateway": self._hire,
            "marketing": self._advertise,
            "customer": self._get_to_know,
            "sales": self._sell,
            "service-desk": self._listen,
        }

    def _hire(self, name: str) -> None:
        client = self.deployment.apps["gateway"].test_client()
        form = {"grant_type": "password", "username": "admin@example.com", "password": PASSWORD}
        token = client.post("/api/auth/token", data=form).json["access_token"]
        headers = {"Authorization": f"Bearer {token}"}

        def post(path: str, body: Any) -> Any:
            answer = client.post(f"/api/identity/v1/{path}", json=body, headers=headers)
            assert answer.status_code == 201, answer.json
            return answer.json

        root = client.get("/api/identity/v1/me", headers=headers).json["team"]["id"]
        team = post("teams", {"name": f"Team {name}", "parent_id": root})
        email = f"{new_id()}@example.com"
        post("users", {"name": name, "email": email, "team_id": team["id"], "roles": ["sales_rep"]})

    def _advertise(self, name: str) -> None:
        campaign = self.ok("marketing", "campaigns", {"name": name, "channel": "fair"})
        path = f"campaigns/{campaign['id']}"
        self.at(
            "marketing", path, campaign["version"], {"name": f"{name}, extended"}, method="PATCH"
        )

    def _get_to_know(self, name: str) -> None:
        body = {"name": f"Customer {name}", "kind": "business", "industry": "retail"}
        account = self.ok("customer", "accounts", body)
        self.ok("customer", "contacts", {"name": "Buyer", "account_id": account["id"]})
        self._change_one("customer", "accounts", {"region": f"Region of {name}"})

    def _sell(self, name: str) -> None:
        lead = self.ok("sales", "leads", {"name": "Buyer", "company": name, "source": "fair"})
        terms = {"amount": "1000.00", **EUR}
        made = self.ok("sales", f"leads/{lead['id']}/conversion", terms)
        path = f"opportunities/{made['opportunity_id']}"
        deal = self.ok("sales", path, method="GET")
        self.at("sales", f"{path}/win", deal["version"])
        line = {"product_name": "Pump", "quantity": "2", "unit_price": "500.00"}
        of_account = {"account_id": made["account_id"], **EUR}
        order = self.ok("sales", "orders", {"lines": [line], **of_account})
        self.numbers.append(order["number"])
        self.ok("sales", "receipts", {"order_id": order["id"], "method": "card", **terms})
        path = f"orders/{order['id']}"
        version = self.ok("sales", path, method="GET")["version"]
        order = self.at("sales", f"{path}/fulfil", version)
        returned = {"line_id": order["lines"][0]["id"], "quantity": "1"}
        back = {"lines": [returned], "reason": "Broken"}
        self.at("sales", f"{path}/returns", order["version"], back)
        self._change_one("sales", "opportunities", {"name": f"Deal as of {name}"})

    def _listen(self, name: str) -> None:
        body = {"subject": name, "type": "complaint", "channel": "phone"}
        self.ok("service-desk", "tickets", body)
        self._change_one("service-desk", "tickets", {"subject": f"As of {name}"})

    def _change_one(self, service: str, resource: str, changes: Any) -> None:
        """Change the oldest of them, which is in every back-up."""
        (oldest,) = self.ok(service, f"{resource}?limit=1&sort=created_at", method="GET")["items"]
        self.at(service, f"{resource}/{oldest['id']}", oldest["version"], changes, method="PATCH")

    def back_up(self, service: str) -> None:
        environment = {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.deployment.databases[service],
            "ATTACHMENTS_DIR": str(self.deployment.attachments),
        }
        command = [str(OPERATIONS / "backup.sh"), service, str(self.backups)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        self.taken[service] = Backup.read(Path(done.stdout.strip()))

    def restore(self, *services: str) -> Recovery:
        """Bring services back as they were when they were backed up.

        :returns: what has all of them agree.
        """
        for service in services:
            shutil.rmtree(self.deployment.attachments / service, ignore_errors=True)
            restore(self.taken[service], self.deployment)
            self.deployment.open(service)
        self.deployment.start(*services)
        moments = {service: self.taken[service].moment for service in services}
        return Recovery(self.deployment.run, moments, MARGIN, POLL_SECONDS, PATIENCE_SECONDS)

    def settle(self) -> None:
        """Wait until everybody has seen everything."""
        now = dict.fromkeys(MODULES, datetime.now(UTC))
        hour = timedelta(hours=1)
        Recovery(self.deployment.run, now, hour, POLL_SECONDS, PATIENCE_SECONDS).verify()

    def rows(self, service: str, statement: str) -> list[tuple[Any, ...]]:
        with self.deployment.service(service).database.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement))]

    def differences(self, of: str = "") -> dict[str, list[Any]]:
        """Where what a service, or that one alone, keeps of another is not what that one has."""
        found = {}
        for consumer, copy, producer, source, columns in COPIES:
            if of not in ("", consumer):
                continue
            kept = self.rows(consumer, f"SELECT id, sequence, {columns} FROM {copy}")
            true = self.rows(producer, f"SELECT id, version, {columns} FROM {source}")
            if wrong := sorted(set(kept) ^ set(true), key=repr):
                found[f"{consumer}.{copy}"] = wrong
        for consumer, made, producer, source in FIGURES:
            if of not in ("", consumer):
                continue
            told, true = self.rows(consumer, made), self.rows(producer, source)
            if told != true:
                found[f"{consumer}: {made}"] = [*told, *true]
        return found


def new_broker(rabbitmq: RabbitServer) -> dict[str, str]:
    """A virtual host with nothing in its queues.

    :returns: the address of each service.
    """
    accounts = service_accounts(rabbitmq.create_vhost("restore"))
    rabbitmq.import_definitions(topology.definitions(catalogue(), accounts))
    return accounts


@pytest.fixture(scope="module")
def company(
    postgres: PostgresServer, rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Company]:
    """A company with a back-up of each service, taken one after the other while it went on."""
    folder = tmp_path_factory.mktemp("company")
    signer = Signer(folder)
    databases = {name: postgres.create_database(name) for name in MODULES}
    deployment = Deployment(folder, databases, new_broker(rabbitmq), signer.keys_file)
    deployment.open(*MODULES)
    company = Company(deployment, folder / "backups", signer)
    try:
        gateway = deployment.service("gateway")
        first_start(gateway.database, replace(gateway.settings, admin_password=PASSWORD))
        deployment.start(*MODULES)
        company.work(3)
        for service in ("reporting", "sales", "gateway", "service-desk", "customer", "marketing"):
            company.work()
            company.back_up(service)
        company.work(3)
        company.settle()
        yield company
    finally:
        deployment.close(*tuple(deployment.apps))


def test_they_agree_when_nothing_happened(company: Company) -> None:
    assert company.differences() == {}


@pytest.mark.parametrize(
    "away",
    [["gateway"], ["customer"], ["sales"], ["reporting"], ["marketing", "service-desk"]],
    ids="+".join,
)
def test_services_come_back_while_the_others_went_on(company: Company, away: list[str]) -> None:
    company.deployment.close(*away)
    company.work(2, without=away)
    recovery = company.restore(*away)
    company.work(1, without=away)

    for service in away:  # what the others told them meanwhile
        assert company.differences(service) or service == "gateway"
    recovery.replay()
    for service in away:
        assert company.differences(service) == {}

    assert company.differences() or away == ["reporting"]  # what the others know too much
    orphans = list(recovery.reconcile())
    recovery.verify()
    assert company.differences() == {}
    assert any(orphan["gone"] for orphan in orphans) == (away != ["reporting"])


def test_everything_comes_back_from_different_moments(
    company: Company, rabbitmq: RabbitServer
) -> None:
    company.deployment.close(*MODULES)
    company.deployment.accounts = new_broker(rabbitmq)
    rehearse(company.deployment, list(company.taken.values()), POLL_SECONDS)
    assert company.differences() == {}


def test_no_number_was_given_twice(company: Company) -> None:
    company.work()
    assert len(set(company.numbers)) == len(company.numbers)
