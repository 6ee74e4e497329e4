"""The composition root: all that reporting is made of."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from flask import Flask

from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_reporting import __version__
from crm_reporting.kpis import api as kpis
from crm_reporting.projections import api as projections
from crm_reporting.projections import cli, jobs
from crm_reporting.projections.effects import effects
from crm_reporting.projections.fold import Projection
from crm_reporting.projections.tables import metadata
from crm_reporting.reports import api as reports
from crm_reporting.subscriptions import subscriptions


def definition(settings: Settings) -> Definition:
    """What is particular to reporting."""
    return Definition(
        name="reporting",
        version=__version__,
        metadata=metadata,
        migrations=Path(__file__).parents[1] / "migrations",
        blueprints=[kpis.blueprint, reports.blueprint, projections.blueprint],
        subscriptions=subscriptions(Projection(settings.zone)),
        archive_events=True,
        on_voided=jobs.on_voided,
        effects=effects(settings.zone),
        loops=lambda service: [jobs.runner(service.database, settings.zone)],
        kept=lambda settings: [jobs.kept(timedelta(days=settings.job_days))],
    )


def create_app(settings: Settings | None = None, **parts: Any) -> Flask:
    """The reporting service; ``parts`` are those of :func:`crm_chassis.service.create_service`."""
    settings = settings or Settings.from_environment("reporting")
    app = create_service(definition(settings), __name__, settings, **parts)
    app.cli.add_command(cli.projections)
    return app
