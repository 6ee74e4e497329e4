"""A database server is lost, and comes back from a copy of it and its log."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from glob import glob
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from crm_chassis.testing_harness import Harness
from crm_chassis.testing_runtimes import ProcessRuntime, free_port, search_path
from crm_chassis.testing_servers import PostgresServer
from crm_marketing.app import create_app

OPERATIONS = Path(__file__).parents[2] / "deploy/operations"
PROGRAMS = ("initdb", "postgres", "pg_basebackup", "pg_receivewal", "pg_verifybackup")
SLOT = "crm_wal"


@dataclass
class Site:
    """Where the copies are kept, and the account that servers and scripts run as.

    :ivar shelf: the folder of the copies, which outlives the servers.
    """

    path: str
    shelf: Path
    password: str = "secret"
    user: str | None = None
    servers: list[PostgresServer] = field(default_factory=list)
    receiver: subprocess.Popen[bytes] | None = None

    def server(self, prepare: str, *options: str) -> PostgresServer:
        """A server on the data that ``prepare`` makes, where it has none yet."""
        port = free_port()
        settings = " ".join(f"-c {option}" for option in options)
        runtime = ProcessRuntime(
            "postgres",
            f"""
            [ -e data ] || {prepare}
            exec postgres -D data -p "$PORT" -c listen_addresses=127.0.0.1 \
                -c unix_socket_directories= {settings}
            """,
            environment={"PATH": self.path, "PORT": str(port)},
            files={"password": self.password},
            stop_signal=signal.SIGINT,
        )
        url = f"postgresql+psycopg://postgres:{self.password}@127.0.0.1:{port}/postgres"
        server = PostgresServer(admin_url=url, runtime=runtime)
        self.servers.append(server)
        server.start()
        return server

    def start(self, script: str, server: PostgresServer, *arguments: str) -> Any:
        """Start a script beside a server."""
        url = make_url(server.admin_url)
        environment = {
            "PATH": self.path,
            "PGHOST": "127.0.0.1",
            "PGPORT": str(url.port),
            "PGUSER": "postgres",
            "PGPASSWORD": self.password,
        }
        return subprocess.Popen(
            [str(OPERATIONS / script), str(self.shelf), *arguments],
            env=environment,
            cwd="/",
            user=self.user,
            start_new_session=True,
        )


@pytest.fixture
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    try:
        path = search_path(PROGRAMS, sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True))
        user = pwd.getpwnam("postgres").pw_name if os.geteuid() == 0 else None
    except (LookupError, KeyError) as error:
        pytest.skip(f"PostgreSQL's own programs are needed: {error}")
    shelf = Path(f"/tmp/crm-shelf-{os.getpid()}")
    shelf.mkdir()
    if user:
        shutil.chown(shelf, user)
    place = Site(path, shelf, user=user)
    try:
        yield place
    finally:
        if place.receiver is not None:
            os.killpg(place.receiver.pid, signal.SIGTERM)
            place.receiver.wait()
        for server in place.servers:
            server.remove()
        shutil.rmtree(shelf)


def campaigns(url: str) -> set[str]:
    """The names of the campaigns, of each of which the event log tells."""
    with create_engine(url, poolclass=NullPool).connect() as connection:
        kept = connection.scalars(text("SELECT name FROM campaigns")).all()
        logged = connection.scalar(text("SELECT count(DISTINCT subject) FROM event_log"))
    assert len(kept) == logged
    return set(kept)


def test_nothing_that_was_confirmed_is_lost(site: Site, tmp_path: Path) -> None:
    first = site.server(
        "initdb --pgdata data --username postgres --pwfile password --auth scram-sha-256 "
        "--encoding UTF8 --no-locale --no-sync",
        f"synchronous_standby_names={SLOT}",
    )
    site.receiver = site.start("receive-wal.sh", first)
    wait_for_receiver(first)
    url = first.create_database("marketing")
    marketing = Harness(create_app, "marketing", tmp_path, url)
    caller = marketing.as_user()

    def advertise(name: str) -> None:
        answer = caller.post("/v1/campaigns", json={"name": name, "channel": "fair"})
        assert answer.status_code == 201, answer.json

    advertise("before the copy")
    assert site.start("base-backup.sh", first).wait() == 0
    time.sleep(1.1)  # the copy's moment is known by the second
    advertise("after the copy")
    before = datetime.now(UTC)
    advertise("at the end")
    marketing.close()
    known = campaigns(url)
    first.kill()  # nothing of the server's own folder is read from here on

    restore = f"{OPERATIONS}/restore-to.sh {site.shelf} data"
    whole = site.server(restore)
    assert campaigns(on(whole, url)) == known
    earlier = site.server(f'{restore} "{before.isoformat(sep=" ")}"')
    assert campaigns(on(earlier, url)) == known - {"at the end"}


def on(server: PostgresServer, url: str) -> str:
    """The service's database on another server, once that takes writes."""
    own = make_url(url).set(port=make_url(server.admin_url).port)
    plain = own.set(drivername="postgresql").render_as_string(hide_password=False)
    deadline = time.monotonic() + 30
    with psycopg.connect(plain, autocommit=True) as connection:
        while connection.execute("SELECT pg_is_in_recovery()").fetchone() != (False,):
            assert time.monotonic() < deadline, "it does not come out of recovery"
            time.sleep(0.05)
    return own.render_as_string(hide_password=False)


def wait_for_receiver(server: PostgresServer) -> None:
    url = make_url(server.admin_url).set(drivername="postgresql")
    deadline = time.monotonic() + 30
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        while True:
            row = connection.execute("SELECT sync_state FROM pg_stat_replication").fetchone()
            if row == ("sync",):
                return
            assert time.monotonic() < deadline, f"the receiver is {row}"
            time.sleep(0.05)
