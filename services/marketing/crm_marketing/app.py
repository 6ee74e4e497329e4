"""The composition root: all that marketing is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from crm_chassis.operations.reconcile import Retold
from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_marketing import __version__
from crm_marketing.campaigns import api as campaigns
from crm_marketing.campaigns.models import Campaign
from crm_marketing.events import campaign_changed
from crm_marketing.tables import Tables

DEFINITION = Definition(
    name="marketing",
    version=__version__,
    metadata=Tables.metadata,
    migrations=Path(__file__).parents[1] / "migrations",
    blueprints=[campaigns.blueprint],
    subscriptions={},
    importers=[campaigns.IMPORTER],
    exports=[campaigns.EXPORT],
    retelling={"campaign": Retold(Campaign, campaign_changed)},
)


def create_app(settings: Settings | None = None, **parts: Any) -> Flask:
    """The marketing service; ``parts`` are those of :func:`crm_chassis.service.create_service`."""
    return create_service(DEFINITION, __name__, settings, **parts)
