"""create_service(): the one call a service makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import structlog
from flask import Flask, Response, g, request
from flask.json.provider import DefaultJSONProvider
from prometheus_client import CollectorRegistry, Gauge
from sqlalchemy import MetaData, text

from crm_chassis import cli, directory, draining, health, phones, problems
from crm_chassis.attachments import DISCARD, Attachable, Limits, discarding
from crm_chassis.attachments_api import attachments_blueprint
from crm_chassis.auth import current_principal, principal_of
from crm_chassis.broker import Broker
from crm_chassis.broker.embedded import EmbeddedBroker, Exchanges
from crm_chassis.broker.rabbitmq import RabbitMQ
from crm_chassis.consumer import Consumer
from crm_chassis.context import correlation_id_of
from crm_chassis.contracts_api import contracts_blueprint
from crm_chassis.custom_fields import CustomResource, Declarations
from crm_chassis.custom_fields.api import custom_fields_blueprint
from crm_chassis.database import Database, make_engine
from crm_chassis.doorbell import Doorbell, LocalDoorbell, PostgresDoorbell
from crm_chassis.imports import Importer
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.imports_api import Export, exports_blueprint, imports_blueprint
from crm_chassis.logs import configure_logs
from crm_chassis.migrations import Migrations
from crm_chassis.numbering import Numbering
from crm_chassis.openapi import Api
from crm_chassis.operations.administration_api import acts_blueprint
from crm_chassis.operations.event_trace import Effects
from crm_chassis.operations.events_api import events_blueprint
from crm_chassis.operations.parked_api import parked_blueprint
from crm_chassis.operations.reconcile import Reconciliation, Retelling
from crm_chassis.operations.replay_jobs import ReplayRunner
from crm_chassis.operations.replays_api import replays_blueprint
from crm_chassis.operations.retention import Kept, Retention
from crm_chassis.operations.voiding import OnVoided, Voiding
from crm_chassis.outbox import Recorder, recorded
from crm_chassis.problems import DATABASE_FAULTS
from crm_chassis.processor import Processor, Subscriptions
from crm_chassis.relay import Relay
from crm_chassis.scheduler import Recurring, Scheduler, TimerHandler
from crm_chassis.settings import Settings
from crm_chassis.storage import Storage, open_storage
from crm_chassis.telemetry import Telemetry, exporter_for
from crm_chassis.tokens import KeySource, TokenVerifier
from crm_chassis.web import Blueprint
from crm_chassis.worker import Loop, Worker, hourly
from crm_contracts.catalogue import Catalogue, catalogue

_API = "/v1/"
_OWN_THREADS = 8  # connections of the worker's loops, beside those of the requests


@dataclass(frozen=True, kw_only=True)
class Definition:
    """What is particular to a service.

    :ivar metadata: its tables; :ivar migrations: the folder of its alembic migrations.
    :ivar subscriptions: event type to handler, beside those of the directory.
    :ivar attachments: the resources whose aggregates have files.
    :ivar custom: the resources that take custom fields.
    :ivar timers: kind of timer to what is done when one is due.
    :ivar recurring: what the worker does again and again.
    :ivar loops: makes what its worker does beside relaying, consuming and importing.
    :ivar kept: what it keeps for a time only, beside what every service does.
    :ivar archive_events: keep the events consumed, without personal data, to rebuild from.
    :ivar retelling: how to tell anew of what others than reporting hear of.
    :ivar numbering: what gives out the numbers of documents.
    :ivar on_voided: makes undone what was done on events that are void.
    :ivar effects: finds the rows that an archived event was applied to.
    """

    name: str
    version: str
    metadata: MetaData
    migrations: Path
    blueprints: Sequence[Blueprint] = ()
    subscriptions: Subscriptions
    importers: Sequence[Importer] = ()
    exports: Sequence[Export] = ()
    attachments: Sequence[Attachable] = ()
    custom: Sequence[CustomResource] = ()
    timers: Mapping[str, TimerHandler] = field(default_factory=dict)
    recurring: Sequence[Recurring] = ()
    loops: Callable[[Service], Sequence[Loop]] = lambda service: ()
    kept: Callable[[Any], Sequence[Kept]] = lambda settings: ()
    archive_events: bool = False
    retelling: Retelling = field(default_factory=dict)
    numbering: Numbering = field(default_factory=dict)
    on_voided: OnVoided = lambda session, voided: None
    effects: Effects | None = None


class Service:
    """The parts of a running service, wired; found as ``app.extensions["crm"]``."""

    def __init__(
        self,
        definition: Definition,
        settings: Settings,
        exchanges: Exchanges | None,
        telemetry: Telemetry | None,
        contracts: Catalogue,
    ) -> None:
        self.name = definition.name
        self.version = definition.version
        self.settings = settings
        self.catalogue = contracts
        self.attachment_limits = Limits.of(settings)
        self.registry = CollectorRegistry()
        self.requests_in_progress = Gauge(
            "crm_requests_in_progress", "Requests being answered", registry=self.registry
        )
        self.telemetry = telemetry or Telemetry(self.name, exporter_for(settings.otlp_endpoint))
        keys = KeySource(settings.token_keys)
        self.tokens = TokenVerifier(keys.keys, f"crm-{self.name}", principal_of)
        engine = make_engine(settings.database_url, settings.web_threads + _OWN_THREADS)
        self.database = Database(engine, settings.zone)
        self.database.before_commit.append(Recorder(self.name, self.catalogue).write)
        self.database.after_commit.append(lambda session: self._ring_for(recorded(session)))
        self.custom_fields = Declarations(self.database)
        self.migrations = Migrations(self.database, definition.migrations, definition.metadata)
        self.processor = Processor(
            self.name,
            self.database,
            self.catalogue,
            {
                **directory.SUBSCRIPTIONS,
                **Voiding(definition.on_voided).subscriptions(contracts, self.name),
                **definition.subscriptions,
            },
            self.telemetry,
            self.registry,
            archive=definition.archive_events,
        )
        self.reconciliation = Reconciliation(
            service=self.name,
            metadata=definition.metadata,
            retelling=definition.retelling,
            numbering=definition.numbering,
        )
        self.scheduler = Scheduler(
            self.name,
            self.database,
            self._timers(definition),
            definition.recurring,
            self.registry,
            timedelta(seconds=settings.clock_ahead_seconds),
        )
        self.archives = definition.archive_events
        self.effects = definition.effects
        self._definition = definition
        self._exchanges = exchanges
        self._worker: Worker | None = None
        self._migrated = False

    def _timers(self, definition: Definition) -> Mapping[str, TimerHandler]:
        if not definition.attachments:
            return definition.timers
        return {**definition.timers, DISCARD: discarding(self.storage)}

    @cached_property
    def storage(self) -> Storage:
        """Where attachments are kept."""
        return open_storage(self.settings)

    @cached_property
    def broker(self) -> Broker:
        if self.settings.embedded:
            return EmbeddedBroker(self.name, self._exchanges or Exchanges(self.catalogue))
        return RabbitMQ(self.name, self.settings.broker_url)

    @cached_property
    def doorbell(self) -> Doorbell:
        if self.database.is_sqlite:
            return LocalDoorbell()
        url = self.database.engine.url.set(drivername="postgresql")
        return PostgresDoorbell(url.render_as_string(hide_password=False))

    @cached_property
    def relay(self) -> Relay:
        return Relay(
            self.name,
            self.database,
            self.broker,
            self.doorbell,
            self.telemetry,
            self.registry,
            self.settings.relay_batch,
        )

    @cached_property
    def consumer(self) -> Consumer:
        return Consumer(self.broker, self.processor, self.settings.consumer_batch)

    @cached_property
    def retention(self) -> Retention:
        kept = self._definition.kept(self.settings)
        return Retention(
            self.name, self.database, self.settings, kept, self.registry, archives=self.archives
        )

    def _ring_for(self, events_were_recorded: bool) -> None:
        if events_were_recorded:
            self.doorbell.ring()

    def start_worker(self) -> Worker:
        """Start every loop of the service; the caller stops it."""
        imports = ImportRunner(self.name, self.database, self._definition.importers)
        loops = [
            Loop("relay", self.relay.run),
            Loop("consumer", self.consumer.run),
            *([self.scheduler.loop()] if self._has_timers else []),
            hourly("retention", self.retention.run),
            ReplayRunner(self.name, self.database, self.broker).loop(),
            *([imports.loop()] if self._definition.importers else []),
            *self._definition.loops(self),
        ]
        self._worker = Worker(loops)
        self._worker.start()
        return self._worker

    @property
    def _has_timers(self) -> bool:
        definition = self._definition
        return bool(definition.timers or definition.recurring or definition.attachments)

    def readiness(self) -> dict[str, bool]:
        """What must be there for this process to do its work, each by name."""
        checks = {"database": self._database_answers()}
        checks["migrations"] = checks["database"] and self._schema_is_current()
        if self._worker is not None:
            checks["worker"] = self._worker.running
            checks["broker"] = self.relay.ready
            checks["consumer"] = self.consumer.attached
        if draining.under_way():
            checks["accepting"] = False
        return checks

    def _database_answers(self) -> bool:
        try:
            with self.database.engine.connect() as connection:
                connection.execute(text("SELECT 1"))
        except DATABASE_FAULTS:
            return False
        return True

    def _schema_is_current(self) -> bool:
        """Asked until it is true: a schema does not go back under a running process."""
        self._migrated = self._migrated or self.migrations.current()
        return self._migrated

    def ask_to_stop(self) -> None:
        """Have the worker end, without waiting for it; :meth:`close` does."""
        if self._worker is not None:
            self._worker.ask_to_stop()
            self.doorbell.ring()  # the relay may be waiting at it

    def close(self) -> None:
        """Stop the worker and let go of every connection."""
        if self._worker is not None:
            self._worker.stop()
        self.doorbell.close()
        self.telemetry.shutdown()
        self.database.dispose()


def create_service(
    definition: Definition,
    import_name: str,
    settings: Settings | None = None,
    *,
    exchanges: Exchanges | None = None,
    telemetry: Telemetry | None = None,
    contracts: Catalogue | None = None,
) -> Flask:
    """The Flask application of a service, with all that every service has.

    :param import_name: the module that holds ``create_app``.
    :param settings: read from the environment when None.
    :param exchanges: the exchanges of this process, for the embedded broker.
    :param telemetry: made from the settings when None.
    :param contracts: of the events; the platform's when None.
    :raises SettingsError: naming every setting that is missing.
    """
    settings = settings or Settings.from_environment(definition.name)
    configure_logs(settings.log_level)
    phones.use_region(settings.phone_region)
    app = Flask(import_name)
    service = Service(definition, settings, exchanges, telemetry, contracts or catalogue())
    app.extensions["crm"] = service
    app.json = _json_provider(app)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_body_bytes,
        API_TITLE=f"CRM {definition.name}",
        API_VERSION=definition.version,
        OPENAPI_VERSION="3.1.0",
        OPENAPI_URL_PREFIX="/",
        OPENAPI_JSON_PATH="openapi.json",
        API_SPEC_OPTIONS={
            "security": [{"bearer": []}],
            "components": {
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
                }
            },
        },
    )
    _mark_requests(app, service)
    api = Api(app)
    for blueprint in _blueprints(definition):
        api.register_blueprint(blueprint)
    problems.register(app)
    health.register(app, service)
    if settings.token_keys:  # the gateway has none: it admits on its own terms
        _admit_known_principals(app)
    cli.register(app)
    service.telemetry.instrument(app, service.database.engine, health.PROBES)
    return app


def _blueprints(definition: Definition) -> list[Blueprint]:
    found = [
        *definition.blueprints,
        contracts_blueprint(definition.name),
        parked_blueprint(definition.name),
        events_blueprint(definition.name),
        replays_blueprint(definition.name),
        acts_blueprint(definition.name),
    ]
    found += [attachments_blueprint(resource) for resource in definition.attachments]
    if definition.custom:
        found.append(custom_fields_blueprint(definition.name, definition.custom))
    if definition.importers:
        found.append(imports_blueprint(definition.importers))
    if definition.exports:
        found.append(exports_blueprint(definition.exports))
    return found


def _admit_known_principals(app: Flask) -> None:
    """Who is nobody learns nothing, not even what is wrong with the request."""

    @app.before_request
    def _authenticate() -> None:
        if request.path.startswith(_API):
            current_principal()


def _json_provider(app: Flask) -> DefaultJSONProvider:
    provider = DefaultJSONProvider(app)
    provider.ensure_ascii = False
    provider.sort_keys = False
    provider.compact = True
    return provider


def _mark_requests(app: Flask, service: Service) -> None:
    """Let each request know its service and correlation id, and each answer say the latter."""

    @app.before_request
    def _before() -> None:
        g.service = service
        g.correlation_id = correlation_id_of(request.headers.get("X-Correlation-ID", ""))
        structlog.contextvars.bind_contextvars(correlation_id=g.correlation_id)

    @app.after_request
    def _after(response: Response) -> Response:
        response.headers["X-Correlation-ID"] = g.correlation_id
        structlog.contextvars.clear_contextvars()
        return response
