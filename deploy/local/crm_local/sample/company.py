"""The sample company, made up: the same one for the same day."""

from __future__ import annotations

from datetime import date
from random import Random

from crm_local.sample.campaigns import make_campaigns
from crm_local.sample.customers import make_customers
from crm_local.sample.deals import make_deals, product_rows, target_rows
from crm_local.sample.leads import make_leads
from crm_local.sample.names import Names
from crm_local.sample.records import Row, Sample, external_id, row
from crm_local.sample.roster import COLLEAGUES, TEAMS
from crm_local.sample.tickets import make_tickets
from crm_local.sample.timeline import Timeline

_SEED = 46


def make_sample(today: date) -> Sample:
    """A company that looks back on twelve months, as it stands on a day."""
    timeline = Timeline(today)
    chance = Random(_SEED)  # noqa: S311 - it makes up a company, and guards nothing
    names = Names(chance)
    customers, accounts, contacts = make_customers(chance, timeline, names)
    campaigns, campaign_rows = make_campaigns(timeline)
    deals, deal_moves = make_deals(chance, timeline, customers, campaigns)
    leads, lead_moves, conversions = make_leads(chance, timeline, names, customers, campaigns)
    tickets, ticket_moves = make_tickets(chance, timeline, customers)
    return Sample(
        rows={
            "teams": _team_rows(),
            "users": _user_rows(),
            "accounts": accounts,
            "products": product_rows(),
            "campaigns": campaign_rows,
            "contacts": contacts,
            "targets": target_rows(chance, timeline),
            "leads": leads,
            "opportunities": deals,
            "tickets": tickets,
        },
        moves={"leads": lead_moves, "opportunities": deal_moves, "tickets": ticket_moves},
        conversions=conversions,
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
