"""What sales publishes: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.leads.models import Conversion, Lead, StatusChange
from crm_sales.opportunities.models import Opportunity, StageChange
from crm_sales.products.models import Product
from crm_sales.targets.models import Target


def _day(value: Any) -> str | None:
    return None if value is None else value.isoformat()


def product_state(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "external_id": product.external_id,
        "name": product.name,
        "series": product.series,
        "list_price": decimal_text(product.list_price),
        "currency": product.currency,
        "active": product.active,
    }


def product_created(session: Session, product: Product) -> None:
    record(session, "crm.sales.product.created.v1", product, product_state)


def product_changed(session: Session, product: Product) -> None:
    record(session, "crm.sales.product.changed.v1", product, product_state)


def lead_state(lead: Lead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "external_id": lead.external_id,
        "name": lead.name,
        "company": lead.company,
        "job_title": lead.job_title,
        "phone": lead.phone,
        "email": lead.email,
        "industry": lead.industry,
        "region": lead.region,
        "source": lead.source,
        "score": lead.score,
        "status": lead.status,
        "campaign_id": lead.campaign_id,
        "owner_id": lead.owner_id,
        "team_id": lead.team_id,
        "created_on": _day(lead.created_on),
        "converted_on": _day(lead.converted_on),
        "account_id": lead.account_id,
        "contact_id": lead.contact_id,
        "opportunity_id": lead.opportunity_id,
    }


def lead_created(session: Session, lead: Lead) -> None:
    record(session, "crm.sales.lead.created.v1", lead, lead_state)


def lead_changed(session: Session, lead: Lead) -> None:
    record(session, "crm.sales.lead.changed.v1", lead, lead_state)


def lead_status_changed(session: Session, lead: Lead, change: StatusChange) -> None:
    record(
        session,
        "crm.sales.lead.status_changed.v1",
        lead,
        lead_state,
        change={
            "from_status": change.from_status,
            "to_status": change.to_status,
            "seconds_in_status": change.seconds,
        },
    )


def lead_converted(session: Session, lead: Lead, conversion: Conversion) -> None:
    """Tells customer which account and contact come to be."""
    ownership = {"source": lead.source, "owner_id": lead.owner_id, "team_id": lead.team_id}
    account = {
        "id": conversion.account_id,
        "name": conversion.account_name,
        "industry": lead.industry,
        "region": lead.region,
        **ownership,
    }
    contact = {
        "id": conversion.contact_id,
        "account_id": conversion.account_id,
        "name": lead.name,
        "job_title": lead.job_title,
        "phone": lead.phone,
        "email": lead.email,
        **ownership,
    }
    record(
        session,
        "crm.sales.lead.converted.v1",
        lead,
        lead_state,
        change={
            "from_status": conversion.change.from_status,
            "seconds_in_status": conversion.change.seconds,
            "account": account,
            "contact": contact,
        },
    )


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
        "quantity": opportunity.quantity,
        "opened_on": _day(opportunity.opened_on),
        "expected_close_on": _day(opportunity.expected_close_on),
        "closed_on": _day(opportunity.closed_on),
        "lost_reason": opportunity.lost_reason,
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
            "from_stage": change.from_stage,
            "to_stage": change.to_stage,
            "from_stage_order": change.from_stage_order,
            "to_stage_order": change.to_stage_order,
            "seconds_in_stage": change.seconds,
        },
    )


def target_set(session: Session, target: Target) -> None:
    record(session, "crm.sales.target.set.v1", target, target_state)


def target_state(target: Target) -> dict[str, Any]:
    return {
        "id": target.id,
        "external_id": target.external_id,
        "scope": target.scope,
        "member_id": target.member_id,
        "month": target.month,
        "amount": decimal_text(target.amount),
        "quantity": target.quantity,
        "currency": target.currency,
    }
