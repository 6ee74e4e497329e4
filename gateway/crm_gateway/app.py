"""The gateway, wired: a service of its own, with the proxy in front."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import flask_smorest
import structlog
from flask import Flask, Response, g, request
from werkzeug.middleware.proxy_fix import ProxyFix

from crm_chassis.database import Database
from crm_chassis.health import PROBES
from crm_chassis.operations.reconcile import Retold
from crm_chassis.service import Definition, Service, create_service
from crm_chassis.worker import Loop, hourly
from crm_gateway import __version__, cli, documents_api
from crm_gateway.admission import Admission, Principals
from crm_gateway.clients import api as clients
from crm_gateway.documents import Document, Documents
from crm_gateway.events import team_changed, user_changed
from crm_gateway.front import Front
from crm_gateway.limits import RequestLimits, SignInThrottle, storage_at
from crm_gateway.proxy import Upstream
from crm_gateway.request_log import log_request
from crm_gateway.roles import api as roles
from crm_gateway.routes import ROUTES, Route
from crm_gateway.settings import GatewaySettings
from crm_gateway.sign_in import api as sign_in
from crm_gateway.sign_in.key_age import SigningKeyAge
from crm_gateway.sign_in.keys import CannotRotate, KeyRing
from crm_gateway.sign_in.retention import kept
from crm_gateway.sign_in.tokens import AccessTokens, InternalTokens
from crm_gateway.tables import Tables
from crm_gateway.teams import api as teams
from crm_gateway.teams.models import Team
from crm_gateway.users import api as users
from crm_gateway.users import me
from crm_gateway.users.models import User
from crm_gateway.wiring import Gateway

log = structlog.get_logger(__name__)


def _rotate_keys(service: Service) -> list[Loop]:
    settings = cast("GatewaySettings", service.settings)
    keys = _keys(settings, service.database)
    age = timedelta(days=settings.signing_key_days)

    def work() -> None:
        try:
            if signs := keys.rotate_if_older(age, service.name):
                log.info("key.rotated", signs=signs)
        except CannotRotate as error:
            log.warning("key.not_rotated", error=str(error))

    return [hourly("keys", work)] if age else []


DEFINITION = Definition(
    name="gateway",
    version=__version__,
    metadata=Tables.metadata,
    migrations=Path(__file__).parents[1] / "migrations",
    blueprints=[
        sign_in.blueprint,
        me.blueprint,
        users.blueprint,
        teams.blueprint,
        roles.blueprint,
        clients.blueprint,
    ],
    subscriptions={},
    importers=[teams.IMPORTER, users.IMPORTER],
    exports=[teams.EXPORT, users.EXPORT],
    retelling={"team": Retold(Team, team_changed), "user": Retold(User, user_changed)},
    loops=_rotate_keys,
    kept=kept,
)


def create_app(settings: GatewaySettings | None = None, **parts: Any) -> Flask:
    """The gateway; ``parts`` are those of :func:`crm_chassis.service.create_service`.

    :raises SettingsError: naming every setting that is missing.
    """
    settings = settings or GatewaySettings.from_environment(DEFINITION.name)
    app = create_service(DEFINITION, __name__, settings, **parts)
    service: Service = app.extensions["crm"]
    gateway = _gateway(settings, service.database, _own_document(app))
    gateway.attach(app)
    app.register_blueprint(documents_api.document)
    app.register_blueprint(documents_api.browser())
    cli.register(app)
    _guard_own_resources(app, gateway.admission)
    service.registry.register(SigningKeyAge(service.database))
    front = Front(
        app.wsgi_app,
        gateway,
        service.telemetry.tracer,
        service.registry,
        service.requests_in_progress,
    )
    app.wsgi_app = _behind_proxies(front, settings.trusted_proxies)  # type: ignore[method-assign]  # Flask's own advice for middleware
    return app


def _gateway(
    settings: GatewaySettings, database: Database, own_document: Callable[[], Document]
) -> Gateway:
    storage = storage_at(settings.rate_limit_storage)
    keys = _keys(settings, database)
    access_tokens = AccessTokens(keys, settings.access_token_seconds)
    limits = RequestLimits(storage, settings.rate_limit)
    upstreams = {route.service: _upstream(route, settings) for route in ROUTES if route.setting}
    return Gateway(
        settings=settings,
        database=database,
        keys=keys,
        access_tokens=access_tokens,
        internal_tokens=InternalTokens(keys),
        admission=Admission(access_tokens, Principals(database), limits),
        throttle=SignInThrottle(storage),
        routes=ROUTES,
        upstreams=upstreams,
        documents=Documents(__version__, own_document, ROUTES, upstreams),
    )


def _keys(settings: GatewaySettings, database: Database) -> KeyRing:
    return KeyRing(database, settings.sealing, settings.access_token_seconds)


def _upstream(route: Route, settings: GatewaySettings) -> Upstream:
    return Upstream(
        route, settings.address_of(route), settings.upload_bytes, settings.requests_per_service
    )


def _own_document(app: Flask) -> Callable[[], Document]:
    """What makes the OpenAPI document of the gateway's own resources."""
    api: flask_smorest.Api = app.extensions["flask-smorest"]["apis"][""]["ext_obj"]
    return api.spec.to_dict  # type: ignore[no-any-return]  # flask-smorest is untyped


def _guard_own_resources(app: Flask, admission: Admission) -> None:
    """Let those alone to the gateway's own resources whom the proxy would let to the services'."""

    @app.before_request
    def _admit() -> None:
        if request.path.startswith("/v1/"):
            authorization = request.headers.get("Authorization", "")
            g.principal, g.limits = admission.admit(authorization)

    @app.after_request
    def _tell(response: Response) -> Response:
        response.headers.update(g.get("limits", []))
        if request.path not in PROBES:
            log_request(
                g.get("principal"),
                method=request.method,
                service=DEFINITION.name,
                path=request.root_path + request.path,
                address=request.remote_addr,
                status=response.status_code,
                seconds=time.perf_counter() - g.started,
                correlation_id=g.correlation_id,
            )
        return response


def _behind_proxies(front: Front, count: int) -> Any:
    """Take the client's address and scheme from the last ``count`` proxies that stand in front."""
    return ProxyFix(front, x_for=count, x_proto=count, x_host=0) if count else front
