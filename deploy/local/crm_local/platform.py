"""Gateway and services in one process, on loopback; what they share is what production shares."""

from __future__ import annotations

import secrets
import socket
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask
from waitress.server import TcpWSGIServer, create_server
from waitress.wasyncore import close_all

from crm_chassis.broker.embedded import Exchanges
from crm_chassis.service import Service
from crm_chassis.settings import Settings
from crm_chassis.telemetry import Telemetry
from crm_contracts import catalogue
from crm_customer.app import create_app as create_customer
from crm_gateway.app import create_app as create_gateway
from crm_gateway.first_start import Administrator, first_start
from crm_gateway.settings import GatewaySettings
from crm_marketing.app import create_app as create_marketing
from crm_reporting.app import create_app as create_reporting
from crm_sales.app import create_app as create_sales
from crm_service_desk.app import create_app as create_service_desk

_SERVICES: dict[str, Callable[..., Flask]] = {
    "customer": create_customer,
    "sales": create_sales,
    "marketing": create_marketing,
    "service-desk": create_service_desk,
    "reporting": create_reporting,
}
_SERVICE_THREADS = 4
_GATEWAY_THREADS = 12
LOOPBACK = "127.0.0.1"
_ANYWHERE = "0.0.0.0"  # noqa: S104 - not bound to here, only recognised


@dataclass(frozen=True, kw_only=True)
class Options:
    """How the platform is run here.

    :ivar host: where the gateway listens; ``0.0.0.0`` for every interface of this machine.
    :ivar port: of the gateway; 0 takes any free one.
    :ivar admin_password: of the administrator made on first start; made up when empty.
    :ivar telemetry: makes a service's telemetry; None leaves it to the settings.
    :ivar clocks_ahead: by how much the schedulers of services run before the real time.
    """

    data_dir: Path
    host: str = LOOPBACK
    port: int = 8080
    admin_email: str = "admin@example.com"
    admin_password: str = ""
    log_level: str = "WARNING"
    rate_limit: str = GatewaySettings.rate_limit
    telemetry: Callable[[str], Telemetry] | None = None
    clocks_ahead: Mapping[str, timedelta] = field(default_factory=dict)

    @property
    def is_new(self) -> bool:
        """True until a platform was started on the data folder."""
        return not self.database("gateway").exists()

    def database(self, service: str) -> Path:
        """Where a service's data is."""
        return self.data_dir / f"{service}.db"


class Platform:
    """Starts everything, in the order in which one needs the other, and stops it again."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._running = ExitStack()
        self.address = ""
        self.services: dict[str, Service] = {}

    def start(self) -> Administrator | None:
        """Migrate the databases, start to answer and to work.

        :returns: the administrator, when this start has made them.
        :raises OSError: the port is taken.
        :raises SettingsError: a setting is wrong; ``SEALING_KEY`` is the file ``sealing.key``.
        """
        self._options.data_dir.mkdir(parents=True, exist_ok=True)
        with ExitStack() as starting:
            host = self._options.host
            door = starting.enter_context(socket.create_server((host, self._options.port)))
            name = "localhost" if host in (LOOPBACK, _ANYWHERE) else host
            self.address = f"http://{name}:{door.getsockname()[1]}"
            exchanges = Exchanges(catalogue())
            addresses = {
                name: self._start_service(starting, name, create, exchanges)
                for name, create in _SERVICES.items()
            }
            administrator = self._start_gateway(starting, door, addresses, exchanges)
            for service in self.services.values():
                service.start_worker()
            self._running = starting.pop_all()
        return administrator

    def stop(self) -> None:
        """Finish what is under way, and let go of ports and files."""
        for service in self.services.values():
            service.ask_to_stop()
        self._running.close()

    def set_clock_ahead(self, service: str, ahead: timedelta) -> None:
        """Start anew at the same address, with the scheduler of a service ahead of the time."""
        self.stop()
        clocks = {**self._options.clocks_ahead, service: ahead}
        port = urlsplit(self.address).port or 0
        self._options = replace(self._options, port=port, clocks_ahead=clocks)
        self.start()

    def _start_service(
        self, stack: ExitStack, name: str, create: Callable[..., Flask], exchanges: Exchanges
    ) -> str:
        settings = Settings(
            service=name,
            database_url=self._database(name),
            broker_url="memory://",
            token_keys=f"{self.address}/api/auth/keys",
            log_level=self._options.log_level,
            web_threads=_SERVICE_THREADS,
            clock_ahead_seconds=self._seconds_ahead(name),
        )
        own_door = stack.enter_context(socket.create_server((LOOPBACK, 0)))
        self._serve(stack, own_door, self._create(stack, create, settings, exchanges), settings)
        return f"http://{LOOPBACK}:{own_door.getsockname()[1]}"

    def _start_gateway(
        self,
        stack: ExitStack,
        door: socket.socket,
        addresses: dict[str, str],
        exchanges: Exchanges,
    ) -> Administrator | None:
        settings = GatewaySettings(
            service="gateway",
            database_url=self._database("gateway"),
            broker_url="memory://",
            log_level=self._options.log_level,
            web_threads=_GATEWAY_THREADS,
            sealing_key=self._sealing_key(),
            admin_email=self._options.admin_email,
            admin_password=self._options.admin_password,
            rate_limit=self._options.rate_limit,
            **{f"{name.replace('-', '_')}_url": url for name, url in addresses.items()},
        )
        app = self._create(stack, create_gateway, settings, exchanges)
        administrator = first_start(self.services["gateway"].database, settings)
        self._serve(stack, door, app, settings)
        return administrator

    def _create(
        self,
        stack: ExitStack,
        create: Callable[..., Flask],
        settings: Settings,
        exchanges: Exchanges,
    ) -> Flask:
        telemetry = self._options.telemetry
        app = create(
            settings,
            exchanges=exchanges,
            telemetry=telemetry(settings.service) if telemetry else None,
        )
        service: Service = app.extensions["crm"]
        stack.callback(service.close)
        service.migrations.upgrade()
        self.services[settings.service] = service
        return app

    def _serve(self, stack: ExitStack, door: socket.socket, app: Flask, settings: Settings) -> None:
        server = create_server(
            app, sockets=[door], threads=settings.web_threads, map={}, ident=None
        )
        thread = threading.Thread(target=server.run, name=f"{settings.service}-http", daemon=True)
        thread.start()
        stack.callback(_close, server, thread)

    def _seconds_ahead(self, name: str) -> int:
        return round(self._options.clocks_ahead.get(name, timedelta(0)).total_seconds())

    def _database(self, name: str) -> str:
        return f"sqlite:///{self._options.database(name)}"

    def _sealing_key(self) -> str:
        """The key that encrypts signing keys at rest, made on first start: all of it or none."""
        path = self._options.data_dir / "sealing.key"
        if not path.exists():
            begun = path.with_suffix(".new")
            begun.touch(mode=0o600)
            begun.write_text(secrets.token_urlsafe(32))
            begun.replace(path)
        return path.read_text()


def _close(server: TcpWSGIServer, thread: threading.Thread) -> None:
    """Finish the requests under way, then end the server in the thread that it runs in."""
    server.task_dispatcher.shutdown()
    server.trigger.pull_trigger(lambda: close_all(server._map))
    thread.join()
