"""What is told of opportunities."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.currencies.schemas import rate_text
from crm_sales.days import day_text
from crm_sales.opportunities.models import LineItem, Opportunity, StageChange


def opportunity_state(opportunity: Opportunity) -> dict[str, Any]:
    return {
        "id": opportunity.id,
        "external_id": opportunity.external_id,
        "name": opportunity.name,
        "account_id": opportunity.account_id,
        "contact_id": opportunity.contact_id,
        "product_id": opportunity.product_id,
        "lead_id": opportunity.lead_id,
        "campaign_id": opportunity.campaign_id,
        "source": opportunity.source,
        "owner_id": opportunity.owner_id,
        "team_id": opportunity.team_id,
        "pipeline": opportunity.pipeline,
        "stage": opportunity.stage,
        "stage_order": opportunity.stage_order,
        "stage_type": opportunity.stage_type,
        "probability": opportunity.probability,
        "amount": decimal_text(opportunity.amount),
        "currency": opportunity.currency,
        "exchange_rate": rate_text(opportunity.exchange_rate),
        "base_amount": decimal_text(opportunity.base_amount),
        "base_currency": opportunity.base_currency,
        "quantity": opportunity.quantity,
        "opened_on": day_text(opportunity.opened_on),
        "expected_close_on": day_text(opportunity.expected_close_on),
        "closed_on": day_text(opportunity.closed_on),
        "lost_reason": opportunity.lost_reason,
        "next_step": opportunity.next_step,
        "next_step_on": day_text(opportunity.next_step_on),
        "forecast_category": opportunity.forecast_category,
        "competitor_ids": opportunity.competitor_ids,
        "line_items": [_line_state(line) for line in opportunity.line_items],
    }


def _line_state(line: LineItem) -> dict[str, Any]:
    return {
        "id": line.id,
        "product_id": line.product_id,
        "quantity": decimal_text(line.quantity),
        "unit_price": decimal_text(line.unit_price),
        "discount_percent": decimal_text(line.discount_percent),
        "total": decimal_text(line.total),
    }


def opportunity_opened(session: Session, opportunity: Opportunity) -> None:
    record(session, "crm.sales.opportunity.opened.v1", opportunity, opportunity_state)


def opportunity_changed(session: Session, opportunity: Opportunity) -> None:
    record(session, "crm.sales.opportunity.changed.v1", opportunity, opportunity_state)


def opportunity_moved(session: Session, opportunity: Opportunity, change: StageChange) -> None:
    """``won``, ``lost``, ``reopened`` or ``stage_changed``, after what the move means."""
    record(
        session,
        f"crm.sales.opportunity.{change.kind}.v1",
        opportunity,
        opportunity_state,
        change={
            "from_pipeline": change.from_pipeline,
            "from_stage": change.from_stage,
            "to_stage": change.to_stage,
            "from_stage_order": change.from_stage_order,
            "to_stage_order": change.to_stage_order,
            "seconds_in_stage": change.seconds,
        },
    )
