"""The sample company, made up: the same one for the same day."""

from __future__ import annotations

from datetime import date
from random import Random

from crm_local.sample.agreements import approval_rules, make_contracts, make_quotes
from crm_local.sample.campaigns import make_campaigns
from crm_local.sample.customers import make_customers
from crm_local.sample.deals import make_deals, product_rows, target_rows
from crm_local.sample.interactions import make_interactions
from crm_local.sample.leads import make_leads
from crm_local.sample.names import Names
from crm_local.sample.orders import make_orders
from crm_local.sample.records import Row, Sample, external_id, row
from crm_local.sample.requests import make_requests
from crm_local.sample.roster import COLLEAGUES, TEAMS
from crm_local.sample.tags import make_released, make_tag_rules, make_tags
from crm_local.sample.tickets import make_tickets
from crm_local.sample.timeline import Timeline
from crm_local.sample.work import make_activities, make_tasks

_SEED = 46


def make_sample(today: date) -> Sample:
    """A company that looks back on twelve months, as it stands on a day."""
    timeline = Timeline(today)
    chance = Random(_SEED)  # noqa: S311 - it makes up a company, and guards nothing
    names = Names(chance)
    customers, accounts, contacts = make_customers(chance, timeline, names)
    campaigns, campaign_rows = make_campaigns(timeline)
    own_deals, deals, deal_moves = make_deals(chance, timeline, customers, campaigns)
    targets = target_rows(chance, timeline)
    lead_deals, leads, lead_moves, conversions = make_leads(
        chance, timeline, names, customers, campaigns
    )
    all_deals = own_deals + lead_deals
    orders, receipts, order_moves, invoices = make_orders(chance, timeline, all_deals)
    tickets, ticket_moves = make_tickets(chance, timeline, customers, all_deals)
    contracts, contract_moves = make_contracts(chance, timeline, customers)
    return Sample(
        vocabulary={"customer/tags": make_tags()},
        rows={
            "teams": _team_rows(),
            "users": _user_rows(),
            "accounts": accounts,
            "products": product_rows(),
            "campaigns": campaign_rows,
            "contacts": contacts,
            "targets": targets,
            "leads": leads,
            "opportunities": deals,
            "tickets": tickets,
            "interactions": make_interactions(chance, timeline, customers),
            "requests": make_requests(chance, timeline, customers),
            "contracts": contracts,
            "orders": orders,
            "receipts": receipts,
        },
        conversions=conversions,
        entries={
            "customer/tag-rules": make_tag_rules(),
            "sales/approval-rules": approval_rules(),
            "quotes": make_quotes(own_deals),
            "invoices": invoices,
            "tasks": make_tasks(chance, timeline, own_deals),
            "activities": make_activities(chance, timeline, own_deals),
        },
        moves={
            "leads": lead_moves,
            "opportunities": deal_moves,
            "tickets": ticket_moves,
            "orders": order_moves,
            "contracts": contract_moves,
        },
        released=make_released(customers, all_deals),
    )


def _team_rows() -> list[Row]:
    return [
        row(
            external_id=external_id("team", team.key),
            name=team.name,
            parent=team.parent and external_id("team", team.parent),
        )
        for team in TEAMS
    ]


def _user_rows() -> list[Row]:
    return [
        row(
            external_id=external_id("user", colleague.key),
            name=colleague.name,
            email=colleague.email,
            team=colleague.team and external_id("team", colleague.team),
            role=colleague.role,
        )
        for colleague in COLLEAGUES
    ]
