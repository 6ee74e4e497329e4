"""The servers that other tests stand on keep their promises."""

from __future__ import annotations

import os
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import pika
import psutil
import psycopg
import pytest
from sqlalchemy import make_url

from crm_chassis.testing_runtimes import ProcessRuntime
from crm_chassis.testing_servers import (
    PostgresServer,
    Unavailable,
    postgres_server,
    rabbitmq_server,
)


def connect(url: str) -> psycopg.Connection:
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True, connect_timeout=5)


@pytest.fixture
def own_postgres(postgres):
    if not postgres.is_ours:
        pytest.skip("this PostgreSQL is not ours to stop")
    return postgres


@pytest.fixture
def own_rabbitmq(rabbitmq):
    if not rabbitmq.is_ours:
        pytest.skip("this RabbitMQ is not ours to stop")
    return rabbitmq


def test_a_database_belongs_to_a_role_of_its_own(postgres):
    url = postgres.create_database("sales")
    with connect(url) as connection:
        connection.execute("CREATE TABLE lead (id int)")
        owner = connection.execute(
            "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        ).fetchone()[0]
        superuser = connection.execute("SELECT current_setting('is_superuser')").fetchone()[0]
    assert (owner, superuser) == (make_url(url).username, "off")


def test_another_roles_database_is_refused(postgres):
    sales, customer = postgres.create_database("sales"), postgres.create_database("customer")
    theirs = make_url(sales).set(database=make_url(customer).database)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        connect(theirs.render_as_string(hide_password=False))


def test_a_wrong_password_is_refused(postgres):
    url = make_url(postgres.create_database("sales")).set(password="wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(url.render_as_string(hide_password=False))


def test_commits_reach_the_disk(postgres):
    with connect(postgres.admin_url) as connection:
        assert connection.execute("SHOW fsync").fetchone()[0] == "on"


@pytest.mark.parametrize("end", [PostgresServer.stop, PostgresServer.kill], ids=["stop", "kill"])
def test_postgres_keeps_its_data_and_address(own_postgres, end):
    url = own_postgres.create_database("sales")
    with connect(url) as connection:
        connection.execute("CREATE TABLE lead AS SELECT 1 AS id")
        end(own_postgres)
        assert not own_postgres.answers()
        own_postgres.start()
    with connect(url) as connection:
        assert connection.execute("SELECT id FROM lead").fetchall() == [(1,)]


def test_cleaning_drops_databases_in_use_and_their_roles(postgres):
    tenant = replace(postgres, _databases=[])  # those of other tests are not its to drop
    url = tenant.create_database("sales")
    with connect(url), connect(postgres.admin_url) as admin:
        tenant.clean()
        left = admin.execute(
            "SELECT datname FROM pg_database WHERE datname = %(name)s"
            " UNION ALL SELECT rolname FROM pg_roles WHERE rolname = %(name)s",
            {"name": make_url(url).database},
        ).fetchall()
    assert left == []


def least_privilege(vhost: str) -> dict:
    """What a service is allowed in production: its topic, its queues, no declaration."""
    queue = {"durable": True, "auto_delete": False, "arguments": {"x-queue-type": "quorum"}}
    return {
        "users": [{"name": "customer", "password": "secret", "tags": ""}],
        "permissions": [
            {
                "user": "customer",
                "vhost": vhost,
                "configure": "^$",
                "write": r"^crm\.events$",
                "read": r"^customer\..*",
            }
        ],
        "topic_permissions": [
            {
                "user": "customer",
                "vhost": vhost,
                "exchange": "crm.events",
                "write": r"^crm\.customer\.",
                "read": "^$",
            }
        ],
        "exchanges": [
            {
                "name": "crm.events",
                "vhost": vhost,
                "type": "topic",
                "durable": True,
                "auto_delete": False,
                "internal": False,
                "arguments": {},
            }
        ],
        "queues": [
            {"name": name, "vhost": vhost, **queue} for name in ("customer.events", "sales.events")
        ],
        "bindings": [
            {
                "source": "crm.events",
                "vhost": vhost,
                "destination": "customer.events",
                "destination_type": "queue",
                "routing_key": "crm.#",
                "arguments": {},
            }
        ],
    }


def publish(channel, routing_key: str) -> None:
    persistent = pika.BasicProperties(delivery_mode=2)
    channel.basic_publish("crm.events", routing_key, b"{}", persistent, mandatory=True)


@pytest.fixture
def customer(rabbitmq):
    """Opens a channel with the rights of the customer service."""
    parameters = pika.URLParameters(rabbitmq.create_vhost("crm"))
    rabbitmq.import_definitions(least_privilege(parameters.virtual_host))
    parameters.credentials = pika.PlainCredentials("customer", "secret")
    connection = pika.BlockingConnection(parameters)

    def channel():
        opened = connection.channel()
        opened.confirm_delivery()
        return opened

    yield channel
    connection.close()


def test_a_service_publishes_its_own_topics_and_reads_its_own_queue(customer):
    channel = customer()
    publish(channel, "crm.customer.account.created.v1")
    _, _, body = next(channel.consume("customer.events", inactivity_timeout=10))
    assert body == b"{}"


@pytest.mark.parametrize(
    "forbidden",
    [
        pytest.param(lambda channel: publish(channel, "crm.sales.lead.created.v1"), id="topic"),
        pytest.param(lambda channel: channel.basic_get("sales.events"), id="queue of another"),
        pytest.param(lambda channel: channel.queue_declare("customer.more"), id="declaration"),
        pytest.param(lambda channel: channel.queue_delete("customer.events"), id="deletion"),
        pytest.param(
            lambda channel: channel.queue_bind("customer.events", "crm.events", "#"), id="binding"
        ),
    ],
)
def test_a_service_is_refused_everything_else(customer, forbidden):
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as refusal:
        forbidden(customer())
    assert refusal.value.reply_code == 403


def test_wrong_definitions_are_an_error(rabbitmq):
    with pytest.raises(RuntimeError, match="definitions: 400"):
        rabbitmq.import_definitions({"permissions": [{"user": "nobody", "vhost": "nowhere"}]})


def test_rabbitmq_keeps_its_data_and_address(own_rabbitmq):
    url = own_rabbitmq.create_vhost("crm")
    channel = pika.BlockingConnection(pika.URLParameters(url)).channel()
    channel.confirm_delivery()
    channel.queue_declare("kept", durable=True)
    channel.basic_publish("", "kept", b"{}", pika.BasicProperties(delivery_mode=2))
    own_rabbitmq.stop()
    assert not own_rabbitmq.answers()
    own_rabbitmq.start()
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        _, _, body = connection.channel().basic_get("kept")
    assert body == b"{}"


def test_rabbitmq_comes_back_after_a_kill(own_rabbitmq):
    # Of its data only what is older: a kill may undo the declarations of the second before.
    own_rabbitmq.kill()
    assert not own_rabbitmq.answers()
    own_rabbitmq.start()
    pika.BlockingConnection(pika.URLParameters(own_rabbitmq.admin_url)).close()


@pytest.mark.parametrize(
    ("server", "variables"),
    [
        (postgres_server, ["TEST_POSTGRES_URL"]),
        (rabbitmq_server, ["TEST_RABBITMQ_URL", "TEST_RABBITMQ_MANAGEMENT_URL"]),
    ],
)
def test_a_server_named_by_the_environment_is_taken_and_left_running(
    request, monkeypatch, server, variables
):
    running = request.getfixturevalue(server.__name__.removesuffix("_server"))
    addresses = [running.admin_url, getattr(running, "management_url", "")]
    for variable, address in zip(variables, addresses, strict=False):
        monkeypatch.setenv(variable, address)
    with server() as found:
        assert found.admin_url == running.admin_url
        with pytest.raises(RuntimeError, match="not ours"):
            found.stop()
    assert running.answers()


@pytest.fixture
def bare_machine(monkeypatch):
    """No address in the environment, no Docker Engine, nothing installed."""

    def nothing(programs, folders):
        raise LookupError(f"{', '.join(programs)} not installed")

    for variable in ("TEST_POSTGRES_URL", "TEST_RABBITMQ_URL", "REQUIRE_SERVERS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    monkeypatch.setattr("crm_chassis.testing_servers.search_path", nothing)


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(
    ("server", "variable", "program"),
    [
        (postgres_server, "TEST_POSTGRES_URL", "postgres"),
        (rabbitmq_server, "TEST_RABBITMQ_URL", "rabbitmq-server"),
    ],
)
def test_without_a_server_the_error_tells_what_was_tried(server, variable, program):
    with pytest.raises(Unavailable) as error, server():
        pass
    for tried in (f"{variable} is not set", "container: ", f"{program} not installed"):
        assert tried in str(error.value)


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(("required", "outcome"), [("", "skipped"), ("1", "errors")])
def test_without_a_server_a_test_is_skipped_or_fails(monkeypatch, pytester, required, outcome):
    monkeypatch.setenv("REQUIRE_SERVERS", required)
    pytester.makepyfile("def test_it(postgres, rabbitmq): pass")
    result = pytester.runpytest_inprocess("-p", "crm_chassis.testing", "-rs")
    result.assert_outcomes(**{outcome: 1})
    result.stdout.fnmatch_lines("*TEST_POSTGRES_URL is not set*")


@pytest.fixture
def place(monkeypatch):
    """The only directory for temporary files, open to every user."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", directory)
        yield path


def program(script: str) -> ProcessRuntime:
    return ProcessRuntime(
        "nobody",
        script,
        environment={"PATH": os.environ["PATH"]},
        files={},
        stop_signal=signal.SIGTERM,
    )


@pytest.mark.parametrize("end", [ProcessRuntime.stop, ProcessRuntime.kill])
def test_installed_programs_leave_nothing_behind(place, end):
    runtime = program("setsid sh -c 'echo $$ > child; exec sleep 600' & exec sleep 600")

    def start() -> psutil.Process:
        runtime.start()
        file = wait_for(lambda: [file for file in place.glob("*/child") if file.read_text()])[0]
        pid = int(file.read_text())
        file.unlink()
        return psutil.Process(pid)

    child = start()
    end(runtime)
    assert has_ended(child)
    child = start()
    runtime.remove()
    assert has_ended(child)
    assert list(place.iterdir()) == []


def test_a_program_that_ends_by_itself_is_told_with_its_log(place):
    runtime = program("echo no space left; exit 1")
    runtime.start()

    def failure():
        try:
            runtime.check()
        except RuntimeError as error:
            return str(error)

    assert "no space left" in wait_for(failure)
    runtime.remove()


def has_ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def wait_for(condition, seconds: float = 10):
    """What the condition returns, as soon as that is true."""
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return result
