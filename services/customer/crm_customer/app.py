"""The composition root: all that customer is made of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any, cast

from flask import Flask
from sqlalchemy import Table

from crm_chassis.operations.retention import Kept, older_than
from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_customer import __version__, reactions
from crm_customer.accounts import api as accounts
from crm_customer.contacts import api as contacts
from crm_customer.custom import ACCOUNTS, CONTACTS
from crm_customer.duplicates import api as duplicates
from crm_customer.duplicates.commands import SCAN_TIMER, scan_parts
from crm_customer.duplicates.models import DuplicateScan
from crm_customer.duplicates.upkeep import watch_keys
from crm_customer.interactions import api as interactions
from crm_customer.lifecycle import api as lifecycle
from crm_customer.merges import api as merges
from crm_customer.overview import api as overview
from crm_customer.pool import api as pool
from crm_customer.pool.timers import RECURRING as POOL_RETURNS
from crm_customer.quality import api as quality
from crm_customer.quality.timers import RECURRING as QUALITY
from crm_customer.quality.upkeep import watch_quality
from crm_customer.restoring import RETELLING
from crm_customer.search import api as search
from crm_customer.search.commands import RECURRING as INDEX_WAITING
from crm_customer.search.upkeep import watch_columns
from crm_customer.subscriptions import subscriptions
from crm_customer.tables import Tables
from crm_customer.tags import api as tags
from crm_customer.tags.attention import reconsider_noted, watch_changes
from crm_customer.tags.timers import TIMERS as TAG_TIMERS

_RESOURCES = (accounts, contacts, interactions)
_BLUEPRINTS = (
    contacts.of_accounts,
    duplicates.blueprint,
    interactions.figures_blueprint,
    lifecycle.blueprint,
    merges.blueprint,
    overview.blueprint,
    pool.blueprint,
    quality.blueprint,
    search.blueprint,
    tags.blueprint,
)


def _kept(settings: Settings) -> list[Kept]:
    scans = cast("Table", DuplicateScan.__table__)
    return [older_than(timedelta(days=settings.job_days), scans, scans.c.finished_at)]


DEFINITION = Definition(
    name="customer",
    version=__version__,
    metadata=Tables.metadata,
    migrations=Path(__file__).parents[1] / "migrations",
    blueprints=[*(resource.blueprint for resource in _RESOURCES), *_BLUEPRINTS],
    subscriptions=subscriptions(),
    timers={**reactions.TIMERS, **TAG_TIMERS, SCAN_TIMER: scan_parts},
    recurring=[INDEX_WAITING, POOL_RETURNS, *QUALITY],
    attachments=[interactions.ATTACHMENTS],
    custom=[ACCOUNTS, CONTACTS],
    importers=[resource.IMPORTER for resource in _RESOURCES],
    exports=[resource.EXPORT for resource in _RESOURCES],
    retelling=RETELLING,
    on_voided=reactions.on_voided,
    kept=_kept,
)


def create_app(settings: Settings | None = None, **parts: Any) -> Flask:
    """The customer service; ``parts`` are those of :func:`crm_chassis.service.create_service`."""
    watch_changes()
    watch_columns()
    watch_keys()
    watch_quality()
    app = create_service(DEFINITION, __name__, settings, **parts)
    app.extensions["crm"].database.before_commit.append(reconsider_noted)
    return app
