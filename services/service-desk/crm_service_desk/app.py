"""The composition root: all that service desk is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_service_desk import __version__
from crm_service_desk.restoring import NUMBERING, RETELLING, on_voided
from crm_service_desk.subscriptions import SUBSCRIPTIONS
from crm_service_desk.tables import Tables
from crm_service_desk.tickets import api as tickets

DEFINITION = Definition(
    name="service-desk",
    version=__version__,
    metadata=Tables.metadata,
    migrations=Path(__file__).parents[1] / "migrations",
    blueprints=[tickets.blueprint],
    subscriptions=SUBSCRIPTIONS,
    importers=[tickets.IMPORTER],
    exports=[tickets.EXPORT],
    retelling=RETELLING,
    numbering=NUMBERING,
    on_voided=on_voided,
)


def create_app(settings: Settings | None = None, **parts: Any) -> Flask:
    """The service desk; ``parts`` are those of :func:`crm_chassis.service.create_service`."""
    return create_service(DEFINITION, __name__, settings, **parts)
