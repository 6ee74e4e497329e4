"""One service goes to a new version and back, under load, while the others work on.

The new version of sales is made here out of the present one: a column, an index and a fill by
migrations, and a field more in what its events tell.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import urllib3
from sqlalchemy import make_url
from tcp_balancer import TcpBalancer

import crm_sales
from crm_chassis.testing_servers import PostgresServer, RabbitServer
from crm_local.processes import Build, Process, ProcessPlatform, wait_until
from crm_local.testing import Running, process_platform

pytestmark = pytest.mark.skipif(
    os.environ.get("REHEARSALS") != "1", reason="REHEARSALS=1 asks for it: it takes minutes"
)

SERVICES = ("gateway", "sales", "reporting")
WRITERS = 3
PAUSE_SECONDS = 0.4
REPOSITORY = Path(__file__).parents[2]
PACKAGES = (
    "shared/crm_chassis",
    "shared/crm_contracts",
    "gateway",
    "services/sales",
    "services/reporting",
)
NEWER = "99.0.0"
MARK = "rollout"
"""The column and the event's field that the new version has more."""

COLUMN = f'''"""A column that the old version does not know."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "{{this}}", "{{before}}"
branch_labels = depends_on = None


def upgrade() -> None:
    op.add_column("opportunities", sa.Column("{MARK}", sa.String(20), nullable=True))
'''
INDEX = f'''"""Its index."""

from crm_chassis.expanding import create_index

revision, down_revision = "{{this}}", "{{before}}"
branch_labels = depends_on = None


def upgrade() -> None:
    create_index("opportunities_by_{MARK}", "opportunities", ["{MARK}", "id"])
'''
FILL = f'''"""What it holds for the rows that are there."""

from crm_chassis.expanding import fill

revision, down_revision = "{{this}}", "{{before}}"
branch_labels = depends_on = None


def upgrade() -> None:
    fill("opportunities", "{MARK} = 'filled'", "{MARK} IS NULL")
'''


def raised(folder: Path) -> Build:
    """The present services with a raised version; sales with migrations and a field more."""
    without = shutil.ignore_patterns("tests", ".*")
    for part in PACKAGES:
        shutil.copytree(REPOSITORY / part, folder / part, ignore=without)
    for package in ("gateway/crm_gateway", "services/sales/crm_sales"):
        edit(folder / package / "__init__.py", crm_sales.__version__, NEWER)
    sales = folder / "services/sales"
    edit(
        sales / "crm_sales/opportunities/models.py",
        "    forecast_override: Mapped",
        f'    {MARK}: Mapped[str | None] = mapped_column(String(20), default="new")\n'
        "    forecast_override: Mapped",
    )
    edit(
        sales / "crm_sales/opportunities/events.py",
        '        "name": opportunity.name,',
        f'        "name": opportunity.name,\n        "{MARK}": opportunity.{MARK},',
    )
    edit(
        folder / "shared/crm_contracts/events/sales/opportunity.json",
        '"properties": {',
        f'"properties": {{"{MARK}": {{"type": ["string", "null"], "maxLength": 20}},',
    )
    number = max(int(path.name.split("_")[1]) for path in (sales / "migrations").glob("*.py"))
    for offset, text in enumerate((COLUMN, INDEX, FILL), start=1):
        this, before = (f"sales_{number + add:04d}" for add in (offset, offset - 1))
        (sales / f"migrations/{this}_{MARK}.py").write_text(text.format(this=this, before=before))
    return Build(checkout=folder)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert old in text, f"{path.name} has no {old!r} any more: have this test change another place"
    path.write_text(text.replace(old, new, 1), "utf-8")


class Load:
    """Opens, changes, reads and wins deals, steadily, until it is told to stop.

    A request is repeated only where nothing can be done twice: it reads, or it has an
    Idempotency-Key. Every third deal is opened without one, and that request is never repeated.
    """

    def __init__(self, address: str, token: str, year: int) -> None:
        self.year = year
        self.done: Counter[str] = Counter()
        self.repeated: Counter[str] = Counter()
        self.amount = Decimal(0)
        self.failed: list[str] = []
        self._base = f"{address}/api/sales/v1/opportunities"
        self._token = token
        self._pool = urllib3.PoolManager(maxsize=WRITERS, retries=False, timeout=20)
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._work, args=(n,)) for n in range(WRITERS)]
        for thread in self._threads:
            thread.start()

    @property
    def won(self) -> int:
        return self.done["won"]

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _work(self, writer: int) -> None:
        number = 0
        try:
            while not self._stop.wait(PAUSE_SECONDS):
                number += 1
                self._one_deal(Decimal(1000 * writer + number), careless=number % 3 == 0)
        except AssertionError as failure:
            self.failed.append(str(failure))

    def _one_deal(self, amount: Decimal, *, careless: bool) -> None:
        body = {"name": "升级", "amount": "1", "currency": "EUR", "opened_on": f"{self.year}-01-01"}
        deal = self._send("POST", "", body, key=not careless)
        self._count("opened")
        path = f"/{deal['id']}"
        deal = self._send("PATCH", path, {"amount": str(amount)}, deal["version"])
        self._count("changed")
        assert Decimal(self._send("GET", path)["amount"]) == amount
        self._count("read")
        self._send("POST", f"{path}/win", {"closed_on": f"{self.year}-03-15"}, deal["version"])
        with self._lock:
            self.amount += amount
        self._count("won")

    def _count(self, what: str) -> None:
        with self._lock:
            self.done[what] += 1

    def _send(
        self,
        method: str,
        path: str,
        body: dict[str, str] | None = None,
        version: int | None = None,
        *,
        key: bool = True,
    ) -> Any:
        headers = {"Authorization": f"Bearer {self._token}"}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        if key and method != "GET":
            headers["Idempotency-Key"] = str(uuid.uuid4())
        deadline = time.monotonic() + 20
        while True:
            met = self._try(method, path, body, headers)
            if not isinstance(met, str):
                return met
            repeatable = method == "GET" or "Idempotency-Key" in headers
            assert repeatable, f"{method} {path} may not be repeated: {met}"
            assert time.monotonic() < deadline, f"{method} {path}: {met}"
            with self._lock:
                self.repeated[met] += 1
            time.sleep(0.1)

    def _try(
        self, method: str, path: str, body: dict[str, str] | None, headers: dict[str, str]
    ) -> Any:
        """The answer, or in words why there is none and the request may be repeated."""
        try:
            sent = {} if body is None else {"json": body}
            answer = self._pool.request(method, self._base + path, headers=headers, **sent)
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
        if answer.status in (502, 503):
            return f"{answer.status} {answer.json()['type']}"
        assert answer.status < 300, f"{method} {path}: {answer.status} {answer.data.decode()}"
        return answer.json()


class Rollout:
    """A platform behind balancers, and the order in which a cluster takes a version to another."""

    def __init__(self, running: Running, balancers: Mapping[str, TcpBalancer]) -> None:
        assert isinstance(running.inside, ProcessPlatform)
        self.inside = running.inside
        self.reader = running.administrator()
        self._running = running
        self._balancers = balancers
        self.load: Load

    @contextmanager
    def under_load(self, year: int) -> Iterator[None]:
        """Within it the load goes on; its deals are won in that year."""
        self.load = Load(self._running.address, self._running.access_token(), year)
        try:
            self.progress()
            yield
        finally:
            self.load.end()
        assert self.load.failed == []
        assert self.load.repeated == {}  # it may be, but who drains leaves nothing to be repeated

    def progress(self) -> None:
        """Let the load win some more deals."""
        aim = self.load.won + 5
        wait_until(lambda: self.load.won >= aim or bool(self.load.failed), "deals to be won")
        assert self.load.failed == []

    def replace_api(self, name: str, build: Build) -> None:
        """Start the version's api beside the one at work, let both answer, and end the old one.

        New connections go to it until it says that it is not ready.
        """
        old, new = self.inside.apis[name], self.inside.api(name, build)
        self.inside.apis[name] = new
        with _ends(old):
            new.start()
            new.wait_ready()
            self._balancers[name].send_to(old.port, new.port)
            self.progress()
        wait_until(lambda: not old.readiness()["ready"], "the old version to say it ends")
        self._balancers[name].send_to(new.port)
        old.wait()

    def replace_worker(self, name: str, build: Build) -> None:
        """Start the version's worker beside the one at work, let both work, and end the old one."""
        [old], new = self.inside.workers[name], self.inside.worker(name, build)
        self.inside.workers[name] = [new]
        with _ends(old):
            new.start()
            new.wait_ready()
            self.progress()
        old.wait()

    def replace(self, name: str, build: Build) -> None:
        """Migrate, then api and worker at once."""
        self.inside.run(name, "migrate", build=build)
        self.progress()
        with ThreadPoolExecutor() as pool:
            turns = [
                pool.submit(turn, name, build) for turn in (self.replace_api, self.replace_worker)
            ]
        for turn in turns:
            turn.result()
        self.progress()

    def figures(self) -> tuple[int, Decimal]:
        """What reporting says was won in the load's year: how many, and for how much."""
        year = f"from={self.load.year}-01-01&to={self.load.year}-12-31"
        count, value = (
            self.reader.get(f"reporting/v1/kpis/{name}?{year}")["total"]["value"]
            for name in ("won_count", "sales")
        )
        return count or 0, Decimal(value or 0)

    def rows(self, service: str, query: str) -> list[tuple[Any, ...]]:
        """What the database of a service answers."""
        url = make_url(self.inside.databases[service]).set(drivername="postgresql")
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            return connection.execute(query).fetchall()

    def events(self, service: str, table: str) -> set[str]:
        return {str(event) for (event,) in self.rows(service, f"SELECT event_id FROM {table}")}


@contextmanager
def _ends(old: Process) -> Iterator[None]:
    """At the end of it the old version is told to end, whatever became of the new one."""
    try:
        yield
    finally:
        old.ask_to_stop()


@pytest.fixture(scope="module")
def rollout(
    tmp_path_factory: pytest.TempPathFactory, postgres: PostgresServer, rabbitmq: RabbitServer
) -> Iterator[Rollout]:
    with ExitStack() as stack:
        balancers = {name: TcpBalancer() for name in ("gateway", "sales")}
        for balancer in balancers.values():
            stack.callback(balancer.close)
        fronts = {name: balancer.port for name, balancer in balancers.items()}
        running = stack.enter_context(
            process_platform(
                tmp_path_factory.mktemp("rollout"),
                postgres,
                rabbitmq,
                SERVICES,
                fronts,
                DRAIN_SECONDS="2",
            )
        )
        for name, balancer in balancers.items():
            balancer.send_to(running.inside.apis[name].port)
        yield Rollout(running, balancers)


@pytest.fixture(scope="module")
def new_version(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return raised(tmp_path_factory.mktemp("new"))


def version_of(process: Process) -> str:
    return str(urllib3.request("GET", f"{process.url}/healthz").json()["version"])


def assert_nothing_lost_or_twice(rollout: Rollout, eventually: Callable[..., Any]) -> None:
    """What the load did, what sales keeps and told, and what reporting makes of it, is one."""
    done = rollout.load.done
    eventually(rollout.figures, (done["won"], rollout.load.amount))
    opened = f"SELECT count(*) FROM opportunities WHERE opened_on = '{rollout.load.year}-01-01'"
    assert rollout.rows("sales", opened) == [(done["opened"],)]
    eventually(lambda: rollout.events("sales", "outbox"), set())
    told = rollout.events("sales", "event_log")
    eventually(lambda: told - rollout.events("reporting", "inbox"), set())
    for service in ("sales", "reporting"):
        assert rollout.reader.get(f"{service}/v1/events/parked")["items"] == []


def test_a_service_goes_up_and_back(
    rollout: Rollout, new_version: Build, eventually: Callable[..., Any]
) -> None:
    present = rollout.inside.builds["sales"]
    with rollout.under_load(2031):
        rollout.replace("sales", new_version)
        assert version_of(rollout.inside.apis["sales"]) == NEWER
        rollout.replace("sales", present)
        assert version_of(rollout.inside.apis["sales"]) == crm_sales.__version__
    assert_nothing_lost_or_twice(rollout, eventually)
    marks = dict(rollout.rows("sales", f"SELECT {MARK}, count(*) FROM opportunities GROUP BY 1"))
    assert marks.keys() == {"filled", "new", None}  # before it, by it, and by the old one beside it
    assert rollout.rows(
        "sales",
        f"SELECT indisvalid FROM pg_index WHERE indexrelid = 'opportunities_by_{MARK}'::regclass",
    ) == [(True,)]
    told = f"""SELECT count(*) FROM event_log WHERE body LIKE '%"{MARK}":"new"%'"""
    [(with_the_field,)] = rollout.rows("sales", told)
    assert with_the_field >= marks["new"]


def test_two_versions_of_the_gateway_share_its_database(
    rollout: Rollout, new_version: Build, eventually: Callable[..., Any]
) -> None:
    with rollout.under_load(2032):
        rollout.replace_api("gateway", new_version)
        assert version_of(rollout.inside.apis["gateway"]) == NEWER
        rollout.progress()
    assert_nothing_lost_or_twice(rollout, eventually)


def test_a_consumer_is_replaced_in_the_stream(
    rollout: Rollout, new_version: Build, eventually: Callable[..., Any]
) -> None:
    with rollout.under_load(2033):
        rollout.replace_worker("reporting", new_version)
        rollout.progress()
    assert_nothing_lost_or_twice(rollout, eventually)
    rollout.inside.run("reporting", "projections", "verify")  # fails where a table differs
