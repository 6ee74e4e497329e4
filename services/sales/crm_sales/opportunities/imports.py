"""Opportunities out of a file: each row says a deal as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.aggregate import change_fields, owned_by
from crm_chassis.auth import Principal
from crm_chassis.database import utc_now
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_sales import replicas
from crm_sales.currencies.queries import RateBook, base_currency, rate_book
from crm_sales.opportunities import commands, events, forecast, moves
from crm_sales.opportunities.models import Opportunity
from crm_sales.opportunities.valuation import priced, revalued, valued
from crm_sales.pipelines import queries as pipelines
from crm_sales.pipelines.models import Stage
from crm_sales.products.models import Product
from crm_sales.products.queries import by_id

_STAGE = ("pipeline", "stage", "stage_since")
Stages = Mapping[tuple[str, str], Stage]
"""By pipeline and key, each pipeline's in order."""


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert opportunities.

    A row may put a deal into any stage, whatever the stage requires: that is how the deal stands.
    """
    resolve(session, rows, "account", "account_id", replicas.accounts)
    resolve(session, rows, "campaign", "campaign_id", replicas.campaigns)
    resolve_owner(session, rows)
    resolve(session, rows, "product", "product_id", Product.__table__)
    stages = {(stage.pipeline, stage.key): stage for stage in pipelines.lock_stages(session)}
    default = pipelines.default_key(session)
    products = by_id(session, (row.values.get("product_id") for row in rows))
    standing = _pipelines_of(session, key, rows)
    today = calendar.today(session)
    for row in rows:
        row.values.setdefault("pipeline", standing.get(row.values[key], default))
        _check(row, stages)
        if "stage_since" in row.values:
            row.values["stage_since"] = calendar.start_of(session, row.values["stage_since"])
    book = _rate_book(session, key, rows, products, today)

    def create(session: Session, values: dict[str, Any]) -> Opportunity:
        rest = {name: value for name, value in values.items() if name not in _STAGE}
        rest.setdefault("name", str(values[key]))
        pipeline = values["pipeline"]
        stage = stages[pipeline, values.get("stage") or _first_open(stages, pipeline)]
        rest = priced(rest, products.get(values.get("product_id", "")))
        rest = valued(rest, book, values.get("opened_on") or today)
        since = values.get("stage_since", utc_now())
        opportunity = commands.build(session, owned_by(principal) | rest, stage, since)
        moves.opened(session, opportunity)
        events.opportunity_opened(session, opportunity)
        return opportunity

    def change(session: Session, opportunity: Opportunity, values: dict[str, Any]) -> bool:
        on = opportunity.opened_on or today
        return _change(session, opportunity, values, stages, book, on)

    upsert(session, Opportunity, key, rows, create=create, change=change)


def _pipelines_of(session: Session, key: str, rows: Sequence[Row]) -> dict[str, str]:
    """The pipeline that each deal of the file is in already, by the file's key."""
    column = getattr(Opportunity, key)
    keys = {row.values[key] for row in rows}
    found = session.execute(select(column, Opportunity.pipeline).where(column.in_(keys)))
    return dict(found.tuples().all())


def _rate_book(
    session: Session,
    key: str,
    rows: Sequence[Row],
    products: Mapping[str, Product],
    today: date,
) -> RateBook:
    """The rates of every currency that the rows or their deals may be in, on all their days."""
    if base_currency(session) is None:
        return RateBook(None)
    currencies = {row.values["currency"] for row in rows if "currency" in row.values}
    currencies |= {product.currency for product in products.values()}
    days = {row.values["opened_on"] for row in rows if "opened_on" in row.values} | {today}
    column = getattr(Opportunity, key)
    standing = session.execute(
        select(Opportunity.currency, Opportunity.opened_on).where(
            column.in_({row.values[key] for row in rows})
        )
    )
    for currency, opened_on in standing:
        currencies.add(currency)
        days.add(opened_on or today)
    return rate_book(session, [(currency, day) for currency in currencies for day in days])


def _first_open(stages: Stages, pipeline: str) -> str:
    return next(
        stage.key
        for stage in stages.values()
        if stage.pipeline == pipeline and stage.type == "open" and stage.active
    )


def _check(row: Row, stages: Stages) -> None:
    values = row.values
    pipeline = values["pipeline"]
    known = [key for of_pipeline, key in stages if of_pipeline == pipeline]
    if not known:
        row.refuse("pipeline", "No such pipeline.")
        return
    stage = stages.get((pipeline, values["stage"])) if "stage" in values else None
    if "stage" in values and stage is None:
        row.refuse("stage", f"No such stage; there are {', '.join(known)}.")
    closes = stage is not None and stage.type != "open"
    if closes and "closed_on" not in values:
        row.refuse("closed_on", "A closed deal needs the day it was closed.")
    if not closes and "closed_on" in values:
        row.refuse("closed_on", "An open deal has no such day.")
    if closes and "forecast_override" in values:
        row.refuse("forecast_category", "Said by the end of a deal that is closed.")
    if {"opened_on", "closed_on"} <= values.keys() and values["closed_on"] < values["opened_on"]:
        row.refuse("closed_on", f"Before the deal was opened, on {values['opened_on']}.")
    if "product_id" not in values and not {"amount", "currency"} <= values.keys():
        row.refuse("amount", "Needed, with its currency, without a product.")


def _change(
    session: Session,
    opportunity: Opportunity,
    values: dict[str, Any],
    stages: Stages,
    book: RateBook,
    on: date,
) -> bool:
    rest = {name: value for name, value in values.items() if name not in _STAGE[:2]}
    forecast.check_choice(opportunity, rest)
    rest = revalued(opportunity, rest, lambda currency: book, on)
    pipeline = values["pipeline"]
    if "stage" in values:
        place = pipeline, values["stage"]
    elif pipeline != opportunity.pipeline:
        place = pipeline, _first_open(stages, pipeline)
    else:
        place = pipeline, opportunity.stage
    moved = place != (opportunity.pipeline, opportunity.stage)
    with forecast.logged(session, opportunity):
        if moved:
            _place(opportunity, stages[place], values.get("stage_since", utc_now()))
        if not change_fields(opportunity, rest) and not moved:
            return False
    events.opportunity_changed(session, opportunity)
    return True


def _place(opportunity: Opportunity, stage: Stage, since: datetime) -> None:
    """Have a deal stand in another stage; one that ends otherwise, or not, forgets its end."""
    if stage.type != opportunity.stage_type:
        opportunity.forget_end()
    opportunity.place(stage, since)
