"""``make run`` as a process: first and later starts, the sample company, interruptions."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from crm_client.client import Client
from crm_client.tokens import PasswordGrant
from crm_local.platform import Options, Platform
from crm_local.processes import wait_until
from crm_local.sample.company import make_sample
from crm_local.sample.fill import SAMPLE_PASSWORD
from crm_local.sample.orders import QUOTED
from crm_local.sample.roster import in_role

EMAIL, PASSWORD = "admin@example.com", "first-sign-in"
COMPLETE = "The sample company is there"
SERVICES = ("customer", "sales", "marketing", "service-desk", "reporting")


class Run:
    """One run of the command; what it prints is in its log."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self._log = data_dir.with_suffix(f".{time.monotonic_ns()}.log")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "crm_local"],
                env={
                    "PATH": os.environ["PATH"],
                    "PORT": "0",
                    "DATA_DIR": str(data_dir),
                    **environment,
                },
                stdout=log,
                stderr=log,
            )

    @property
    def printed(self) -> str:
        return self._log.read_text("utf-8")

    def wait_for(self, text: str) -> None:
        def there() -> bool:
            assert text in self.printed or self._process.poll() is None, self.printed
            return text in self.printed

        wait_until(there, f"{text!r} to be printed", lambda: self.printed)

    def client(self, email: str = EMAIL, password: str = PASSWORD) -> Client:
        self.wait_for("Three things to try")
        (address,) = re.findall(r"runs at (\S+)", self.printed)
        return Client(address, grant=PasswordGrant(email, password))

    @property
    def listens_at(self) -> set[str]:
        connections = psutil.Process(self._process.pid).net_connections("tcp")
        return {each.laddr.ip for each in connections if each.status == psutil.CONN_LISTEN}

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def interrupt(self, number: signal.Signals = signal.SIGINT) -> int:
        """:returns: the exit status."""
        self._process.send_signal(number)
        return self._process.wait(20)

    def wait(self) -> int:
        return self._process.wait(20)


@contextmanager
def started(data_dir: Path, **environment: str) -> Iterator[Run]:
    run = Run(data_dir, **environment)
    try:
        yield run
    finally:
        run.kill()


def counts(client: Client) -> dict[str, int]:
    resources = make_sample(date(2026, 11, 22)).rows
    return {resource: sum(1 for _ in client.list(resource)) for resource in resources}


def figures(client: Client) -> dict[str, object]:
    asked = ("sales", "won_count", "lost_count", "open_count", "leads", "new_customers")
    return {name: client.get(f"/api/reporting/v1/kpis/{name}")["total"]["value"] for name in asked}


def settled(client: Client, question: Callable[[Client], object]) -> object:
    """The answer once it stays: what follows from an event takes a moment."""
    answers = [question(client)]

    def stays() -> bool:
        time.sleep(0.2)
        answers.append(question(client))
        return answers[-1] == answers[-2]

    wait_until(stays, "the figures to stay")
    return answers[-1]


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Run, Path]]:
    """A first start, its sample complete."""
    data_dir = tmp_path_factory.mktemp("run") / "data"
    with started(data_dir) as run:
        run.wait_for(COMPLETE)
        yield run, data_dir


def test_the_first_start_says_where_and_how_to_sign_in(filled: tuple[Run, Path]) -> None:
    run, _ = filled
    assert EMAIL in run.printed
    assert PASSWORD in run.printed
    assert "/api/docs" in run.printed
    assert re.search(r"1\. .*\n  2\. .*\n.*\n  3\. ", run.printed)


def test_every_kpi_shows_something_over_the_twelve_months(filled: tuple[Run, Path]) -> None:
    run, _ = filled
    client = run.client()
    settled(client, figures)
    today = datetime.now(UTC).date()
    months = {
        "from": date(today.year - 1, today.month, 1).isoformat(),
        "to": (
            (today.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)
        ).isoformat(),
        "grain": "month",
    }
    kpis = client.get("/api/reporting/v1/kpis")["items"]
    assert len(kpis) > 30
    for kpi in kpis:
        rows = client.get(f"/api/reporting/v1/kpis/{kpi['name']}", months)["rows"]
        assert any(row["value"] and float(row["value"]) for row in rows), kpi["name"]
        assert len({row.get("currency") for row in rows}) == 1, kpi["name"]


def test_what_is_sold_is_paid_delivered_and_now_and_then_comes_back(
    filled: tuple[Run, Path],
) -> None:
    client = filled[0].client()
    orders = list(client.list("orders"))
    assert {"placed", "completed", "cancelled"} <= {order["status"] for order in orders}
    assert any(order["payment_overdue"] for order in orders)
    assert any(order["return_status"] == "whole" for order in orders)
    assert all(order["opportunity_id"] for order in orders)
    for resource, several in (("quotes", 4), ("contracts", 4), ("invoices", 1), ("tasks", 2)):
        assert len({each["status"] for each in client.list(resource)}) >= several, resource


def test_customers_are_known_from_all_sides(filled: tuple[Run, Path]) -> None:
    client = filled[0].client()
    accounts = list(client.list("accounts"))
    assert {"key-account", "quiet", "reference"} <= {t for each in accounts for t in each["tags"]}
    pool = {each["id"] for each in client.pages("/api/customer/v1/pool")}
    assert pool == {each["id"] for each in accounts if each["owner_id"] is None} != set()
    ordered = next(order for order in client.list("orders") if order["status"] == "completed")
    seen = client.get(f"/api/customer/v1/accounts/{ordered['account_id']}/overview")
    assert seen["orders"]["recent"]
    assert seen["lifecycle"]["stage"] in ("customer", "repeat", "lapsed")
    assert {each["kind"] for each in client.list("interactions")} == {
        "email",
        "call",
        "chat",
        "meeting",
        "visit",
    }


def test_every_event_was_taken(filled: tuple[Run, Path]) -> None:
    client = filled[0].client()
    for service in SERVICES:
        assert list(client.pages(f"/api/{service}/v1/events/parked")) == []


def test_the_sample_s_people_sign_in_and_see_what_is_theirs(filled: tuple[Run, Path]) -> None:
    run, _ = filled
    admin = run.client()
    rep, manager = in_role("sales_rep")[0], in_role("sales_manager")[0]
    seen = {
        colleague.role: sum(
            1 for _ in run.client(colleague.email, SAMPLE_PASSWORD).list("opportunities")
        )
        for colleague in (rep, manager)
    }
    everything = sum(1 for _ in admin.list("opportunities"))
    assert 0 < seen["sales_rep"] < seen["sales_manager"] < everything


def test_a_later_start_changes_nothing(filled: tuple[Run, Path]) -> None:
    run, data_dir = filled
    client = run.client()
    before = settled(client, figures), counts(client)
    versions = {item["id"]: item["version"] for item in client.list("opportunities")}
    assert run.interrupt() == 0
    with started(data_dir) as again:
        client = again.client()
        assert "as set on first start" in again.printed
        assert "sample company comes in" not in again.printed
        assert (settled(client, figures), counts(client)) == before
        assert {i["id"]: i["version"] for i in client.list("opportunities")} == versions
        assert again.interrupt(signal.SIGTERM) == 0


def test_a_filling_that_is_cut_short_goes_on_and_doubles_nothing(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    sample = make_sample(datetime.now(UTC).date())

    def came(client: Client, resource: str, at_least: int) -> Callable[[], bool]:
        return lambda: sum(1 for _ in client.list(resource)) >= at_least

    with started(data_dir) as first:
        wait_until(came(first.client(), "accounts", 1), "accounts")
        assert first.interrupt() == 0
        assert "The next start goes on" in first.printed
    with started(data_dir) as second:
        won = {"stage_type": "won"}
        client = second.client()
        wait_until(lambda: any(client.list("opportunities", won, limit=1)), "a deal to be won")
        second.kill()
    with started(data_dir) as third:
        third.wait_for(COMPLETE)
        client = third.client()
        expected = {resource: len(rows) for resource, rows in sample.rows.items()}
        new_accounts = [each for each in sample.conversions.values() if each.account is None]
        expected["teams"] += 1
        expected["users"] += 1
        expected["opportunities"] += len(sample.conversions)
        expected["accounts"] += len(new_accounts)
        expected["contacts"] += len(sample.conversions)
        expected["orders"] += QUOTED
        assert settled(client, counts) == expected
        entries = {name: len(entries) for name, entries in sample.entries.items()}
        assert {name: sum(1 for _ in client.list(name)) for name in entries} == entries
        endings = [move.name for moves in sample.moves["opportunities"].values() for move in moves]
        endings += [each.then.name for each in sample.conversions.values() if each.then]
        total = settled(client, figures)
        assert (total["won_count"], total["lost_count"]) == (
            endings.count("win"),
            endings.count("lose"),
        )
        assert total["leads"] == len(sample.rows["leads"])


def test_a_folder_that_began_without_the_sample_never_gets_it(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    mine = {"ADMIN_EMAIL": "me@example.org", "ADMIN_PASSWORD": "a password of my own"}
    with started(data_dir, SAMPLE="0", **mine) as run:
        client = run.client(mine["ADMIN_EMAIL"], mine["ADMIN_PASSWORD"])
        assert client.get("/api/identity/v1/me")["email"] == "me@example.org"
        assert run.listens_at == {"127.0.0.1"}
        assert run.interrupt() == 0
    with started(data_dir, HOST="0.0.0.0", **mine) as run:
        client = run.client(mine["ADMIN_EMAIL"], mine["ADMIN_PASSWORD"])
        assert list(client.list("accounts")) == []
        assert "sample company" not in run.printed
        assert "0.0.0.0" in run.listens_at
        assert "Other machines may reach" in run.printed
        assert run.interrupt() == 0


def test_a_first_start_that_is_cut_short_is_repaired_by_starting_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cut_short(_bytes: int) -> str:
        raise KeyboardInterrupt

    options = Options(data_dir=tmp_path, port=0)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("crm_local.platform.secrets.token_urlsafe", cut_short)
        Platform(options).start()
    platform = Platform(options)
    assert platform.start() is not None
    platform.stop()
    assert (tmp_path / "sealing.key").stat().st_mode & 0o777 == 0o600


def test_a_wrong_setting_is_said(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sealing.key").write_text("short")
    with started(tmp_path / "data", SAMPLE="false") as run:
        assert run.wait() == 1
        assert run.printed.startswith("The platform cannot start: ")
        assert "SEALING_KEY" in run.printed
        assert "Traceback" not in run.printed


@pytest.mark.parametrize("port", ["taken", "70000"])
def test_a_port_that_cannot_be_had_is_said(tmp_path: Path, port: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = str(other.getsockname()[1]) if port == "taken" else port
        with started(tmp_path / "data", PORT=number) as run:
            assert run.wait() == 1
            assert "cannot start" in run.printed
            assert "PORT" in run.printed
            assert "Traceback" not in run.printed
