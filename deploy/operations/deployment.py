"""The services of the platform in one process: on databases and a broker, with their workers.

For rehearsals: it runs the commands of a service as ``flask --app crm_sales.app ...`` does.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from flask import Flask
from recover import MODULES, CommandFailed

from crm_chassis.service import Service
from crm_chassis.settings import Settings
from crm_gateway.settings import GatewaySettings

_NOWHERE = "http://127.0.0.1:9"


@dataclass
class Deployment:
    """Services that can be taken away and come back.

    :param databases: a SQLAlchemy URL for each service and the gateway.
    :param accounts: an AMQP URL for each of them.
    :param keys: a file with the keys of the gateway, for whoever is to send requests.
    """

    folder: Path
    databases: Mapping[str, str]
    accounts: Mapping[str, str]
    keys: Path | None = None
    apps: dict[str, Flask] = field(default_factory=dict)
    _sealing_key: str = field(
        default_factory=lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    )

    def open(self, *names: str) -> None:
        """Make these services; migrated, and without their workers."""
        for name in names:
            app: Flask = import_module(MODULES[name]).create_app(self._settings(name))
            self.apps[name] = app
            migrations = self.service(name).migrations
            if not migrations.current():
                migrations.upgrade()

    def start(self, *names: str) -> None:
        """Start the workers of these services."""
        for name in names:
            self.service(name).start_worker()

    def close(self, *names: str) -> None:
        """End these services, and let go of their databases."""
        for name in names:
            self.service(name).ask_to_stop()
        for name in names:
            self.service(name).close()
            del self.apps[name]

    def service(self, name: str) -> Service:
        found: Service = self.apps[name].extensions["crm"]
        return found

    def run(self, name: str, arguments: Iterable[str], given: str = "") -> str:
        """Run a command of a service.

        :param given: its standard input.
        :returns: what it printed.
        :raises CommandFailed: with what it complained of.
        """
        app = self.apps[name]
        with app.app_context():
            result = app.test_cli_runner().invoke(args=list(arguments), input=given)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        if result.exit_code:
            raise CommandFailed(f"{name} {' '.join(arguments)}: {result.output[-2000:]}")
        return result.stdout

    @property
    def attachments(self) -> Path:
        """Where the attachments of the services are, in a folder each."""
        return self.folder / "attachments"

    def _settings(self, name: str) -> Settings:
        common = {
            "service": name,
            "database_url": self.databases[name],
            "broker_url": self.accounts[name],
            "attachments_dir": str(self.attachments),
            "log_level": "ERROR",
        }
        if name != "gateway":
            return Settings(**common, token_keys=str(self.keys or self.folder / "keys.json"))
        others = [other for other in MODULES if other != name]
        urls = {f"{other.replace('-', '_')}_url": _NOWHERE for other in others}
        return GatewaySettings(**common, **urls, sealing_key=self._sealing_key)
