"""Opportunities out of a file: each row says a deal as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.imports import Row, resolve, upsert
from crm_sales import events, replicas
from crm_sales.days import start_of
from crm_sales.opportunities import commands, queries
from crm_sales.opportunities.models import Opportunity, Stage
from crm_sales.products.models import Product

_STAGE = ("stage", "stage_since")


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert opportunities."""
    resolve(session, rows, "account", "account_id", replicas.accounts)
    resolve(session, rows, "campaign", "campaign_id", replicas.campaigns)
    resolve(session, rows, "owner", "owner_id", directory.users)
    resolve(session, rows, "product", "product_id", Product.__table__)
    stages = {stage.key: stage for stage in queries.stages(session)}
    teams = directory.teams_of(session, (row.values.get("owner_id") for row in rows))
    products = _products(session, rows)
    for row in rows:
        _check(row, stages)
        if "owner_id" in row.values:
            row.values["team_id"] = teams.get(row.values["owner_id"])
        if "stage_since" in row.values:
            row.values["stage_since"] = start_of(row.values["stage_since"])
    first = queries.first_stage(session, "open")

    def create(session: Session, values: dict[str, Any]) -> Opportunity:
        owner = {"owner_id": default_owner(principal), "team_id": principal.team_id}
        rest = {name: value for name, value in values.items() if name not in _STAGE}
        rest.setdefault("name", str(values[key]))
        stage = stages[values["stage"]] if "stage" in values else first
        product = products.get(values.get("product_id", ""))
        opportunity = commands.build(session, owner | rest, stage, product)
        if "stage_since" in values:
            opportunity.stage_since = values["stage_since"]
        events.opportunity_opened(session, opportunity)
        return opportunity

    upsert(session, Opportunity, key, rows, create=create, change=_changer(stages))


def _products(session: Session, rows: Sequence[Row]) -> dict[str, Product]:
    ids = {row.values["product_id"] for row in rows if "product_id" in row.values}
    found = session.scalars(select(Product).where(Product.id.in_(ids)))
    return {product.id: product for product in found}


def _check(row: Row, stages: dict[str, Stage]) -> None:
    values = row.values
    stage = stages.get(values["stage"]) if "stage" in values else None
    if "stage" in values and stage is None:
        row.refuse("stage", f"No such stage; there are {', '.join(stages)}.")
    closes = stage is not None and stage.type != "open"
    if closes and "closed_on" not in values:
        row.refuse("closed_on", "A closed deal needs the day it was closed.")
    if not closes and "closed_on" in values:
        row.refuse("closed_on", "An open deal has no such day.")
    if {"opened_on", "closed_on"} <= values.keys() and values["closed_on"] < values["opened_on"]:
        row.refuse("closed_on", f"Before the deal was opened, on {values['opened_on']}.")
    if "product_id" not in values and not {"amount", "currency"} <= values.keys():
        row.refuse("amount", "Needed, with its currency, without a product.")


def _changer(stages: dict[str, Stage]) -> Any:
    def change(session: Session, opportunity: Opportunity, values: dict[str, Any]) -> bool:
        rest = {name: value for name, value in values.items() if name != "stage"}
        stage = stages.get(values.get("stage", opportunity.stage))
        moved = stage is not None and stage.key != opportunity.stage
        if moved and stage is not None:
            opportunity.place(stage)
        if not change_fields(opportunity, rest) and not moved:
            return False
        events.opportunity_changed(session, opportunity)
        return True

    return change
