"""Every KPI, declared once: what it is called, what it is made of, and by what it may be divided.

A KPI's value is a formula over sums that the rollups hold, so what it costs to ask for does not
grow with the number of events.
"""

from __future__ import annotations

from collections.abc import Mapping

from crm_reporting.kpis.kpi import AMOUNT, Funnel, Kpi, amount, count, of, ratio, return_on
from crm_reporting.projections.rollups import (
    CAMPAIGNS,
    CLOSED_DEALS,
    CUSTOMERS,
    DEAL_STAGES,
    LEADS,
    OPEN_DEALS,
    OPENED_TICKETS,
    RESOLVED_TICKETS,
    STAGE_TIMES,
    STATUS_TIMES,
)

_SECONDS_A_DAY = 86_400
_SECONDS_AN_HOUR = 3_600

_OWNED = ("person", "team")
_DEAL = (*_OWNED, "product", "series", "account", "industry", "region", "source", "campaign")
_LEAD = (*_OWNED, "source", "campaign", "industry", "region")
_TICKET = (*_OWNED, "account", "industry", "region", "type", "priority", "channel")
_CUSTOMER = (*_OWNED, "source", "industry", "region", "customer_level")

_DEALS = ("opportunity.*", "account.*")
_CLOSED_ON = "the day a deal was closed"
_EXPECTED = "the month a deal is expected to close"

_KPIS = (
    Kpi(
        name="sales",
        title="Sales",
        unit="money",
        formula="sum of the amounts of won deals",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "won_value"),
        value=amount("won_value"),
        dimensions=_DEAL,
    ),
    Kpi(
        name="quantity",
        title="Quantity sold",
        unit="count",
        formula="sum of the quantities of won deals",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "won_quantity"),
        value=count("won_quantity"),
        dimensions=_DEAL,
    ),
    Kpi(
        name="won_count",
        title="Deals won",
        unit="count",
        formula="number of won deals",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "won_count"),
        value=count("won_count"),
        dimensions=_DEAL,
    ),
    Kpi(
        name="lost_count",
        title="Deals lost",
        unit="count",
        formula="number of lost deals; invalid ones are not lost",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "lost_count"),
        value=count("lost_count"),
        dimensions=_DEAL,
    ),
    Kpi(
        name="mean_won_value",
        title="Mean won value",
        unit="money",
        formula="sum of the amounts of won deals / number of won deals that have an amount",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "won_value", "won_priced"),
        value=ratio("won_value", "won_priced", unit=AMOUNT),
        dimensions=_DEAL,
    ),
    Kpi(
        name="target",
        title="Target",
        unit="money",
        formula=(
            "the target set; for a team without one, the sum of its sub-teams' and its people's; "
            "for the company, the sum of its top teams'"
        ),
        dated_by="the month the target is for",
        events=("target.set", "team.*", "user.*"),
        components=of(None, target="amount"),
        value=amount("target"),
        dimensions=_OWNED,
    ),
    Kpi(
        name="completion",
        title="Completion",
        unit="rate",
        formula="sales / target of the same scope and month; null without a target",
        dated_by="the day a deal was closed, and the month the target is for",
        events=(*_DEALS, "target.set", "team.*", "user.*"),
        components=of(CLOSED_DEALS, "won_value") | of(None, target="amount"),
        value=ratio("won_value", "target"),
        dimensions=_OWNED,
    ),
    Kpi(
        name="win_rate",
        title="Win rate",
        unit="rate",
        formula="won / (won + lost); open and invalid deals are in neither",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "won_count", "lost_count"),
        value=ratio("won_count", "won_count", "lost_count"),
        dimensions=_DEAL,
    ),
    Kpi(
        name="sales_cycle",
        title="Sales cycle",
        unit="days",
        formula="mean (close date - open date) of won deals that have both",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "won_days", "won_timed"),
        value=ratio("won_days", "won_timed"),
        dimensions=_DEAL,
    ),
    Kpi(
        name="lost_cycle",
        title="Cycle of lost deals",
        unit="days",
        formula="mean (close date - open date) of lost deals that have both",
        dated_by=_CLOSED_ON,
        events=_DEALS,
        components=of(CLOSED_DEALS, "lost_days", "lost_timed"),
        value=ratio("lost_days", "lost_timed"),
        dimensions=_DEAL,
    ),
    Kpi(
        name="pipeline",
        title="Pipeline",
        unit="money",
        formula="sum of the amounts of open deals",
        dated_by=_EXPECTED,
        events=_DEALS,
        components=of(OPEN_DEALS, open_value="value"),
        value=amount("open_value"),
        dimensions=(*_DEAL, "stage"),
    ),
    Kpi(
        name="weighted_pipeline",
        title="Weighted pipeline",
        unit="money",
        formula="sum of open amount x probability, each deal to four places",
        dated_by=_EXPECTED,
        events=_DEALS,
        components=of(OPEN_DEALS, "weighted"),
        value=amount("weighted"),
        dimensions=(*_DEAL, "stage"),
    ),
    Kpi(
        name="open_count",
        title="Open deals",
        unit="count",
        formula="number of open deals",
        dated_by=_EXPECTED,
        events=_DEALS,
        components=of(OPEN_DEALS, open_count="count"),
        value=count("open_count"),
        dimensions=(*_DEAL, "stage"),
    ),
    Kpi(
        name="opportunities_by_stage",
        title="Opportunities by stage",
        unit="count",
        formula="number of deals by the stage they are in now, closed ones too",
        dated_by="the month a deal was opened",
        events=("opportunity.*",),
        components=of(DEAL_STAGES, "count"),
        value=count("count"),
        dimensions=("stage", *_OWNED),
        default_by="stage",
    ),
    Kpi(
        name="time_in_stage",
        title="Time in stage",
        unit="days",
        formula="mean time from entering an open stage to leaving it, by the stage left",
        dated_by="the day the stage was left",
        events=("opportunity.stage_changed", "opportunity.won", "opportunity.lost"),
        components=of(STAGE_TIMES, "seconds", moves="count"),
        value=ratio("seconds", "moves", unit=_SECONDS_A_DAY),
        dimensions=("stage", *_OWNED),
        default_by="stage",
    ),
    Kpi(
        name="time_in_status",
        title="Time in lead status",
        unit="days",
        formula="mean time from entering a lead status to leaving it, by the status left",
        dated_by="the day the status was left",
        events=("lead.status_changed", "lead.converted"),
        components=of(STATUS_TIMES, "seconds", moves="count"),
        value=ratio("seconds", "moves", unit=_SECONDS_A_DAY),
        dimensions=("status", *_OWNED),
        default_by="status",
    ),
    Kpi(
        name="leads",
        title="Leads",
        unit="count",
        formula="number of leads",
        dated_by="the day a lead came in",
        events=("lead.*",),
        components=of(LEADS, "leads"),
        value=count("leads"),
        dimensions=_LEAD,
    ),
    Kpi(
        name="new_customers",
        title="New customers",
        unit="count",
        formula="number of accounts",
        dated_by="the day an account was created",
        events=("account.*",),
        components=of(CUSTOMERS, accounts="count"),
        value=count("accounts"),
        dimensions=_CUSTOMER,
    ),
    Kpi(
        name="tickets_opened",
        title="Tickets opened",
        unit="count",
        formula="number of tickets",
        dated_by="the day a ticket was opened",
        events=("ticket.*", "account.*"),
        components=of(OPENED_TICKETS, opened="count"),
        value=count("opened"),
        dimensions=_TICKET,
    ),
    Kpi(
        name="tickets_resolved",
        title="Tickets resolved",
        unit="count",
        formula="number of tickets that are resolved; a reopened one is not until it is again",
        dated_by="the day a ticket was last resolved",
        events=("ticket.*", "account.*"),
        components=of(RESOLVED_TICKETS, resolved="count"),
        value=count("resolved"),
        dimensions=_TICKET,
    ),
    Kpi(
        name="resolution_time",
        title="Resolution time",
        unit="hours",
        formula="mean time from opened to last resolved, calendar time",
        dated_by="the day a ticket was last resolved",
        events=("ticket.*", "account.*"),
        components=of(RESOLVED_TICKETS, "seconds", resolved="timed"),
        value=ratio("seconds", "resolved", unit=_SECONDS_AN_HOUR),
        dimensions=_TICKET,
    ),
    Kpi(
        name="campaign_cost",
        title="Campaign cost",
        unit="money",
        formula="sum of the actual costs of campaigns",
        dated_by="the day a campaign starts",
        events=("campaign.*",),
        components=of(CAMPAIGNS, "cost"),
        value=amount("cost"),
        dimensions=(*_OWNED, "campaign", "channel"),
    ),
    Kpi(
        name="campaign_won_value",
        title="Campaign won value",
        unit="money",
        formula="sum of the amounts of won deals that name a campaign",
        dated_by=_CLOSED_ON,
        events=("opportunity.*",),
        components=of(CLOSED_DEALS, "won_value"),
        value=amount("won_value"),
        dimensions=("campaign",),
        within="campaign",
    ),
    Kpi(
        name="campaign_roi",
        title="Campaign ROI",
        unit="rate",
        formula=(
            "(won value attributed - actual cost) / actual cost; null at cost 0. "
            "Without dates each campaign counts as a whole"
        ),
        dated_by="the day a deal was closed, and the day a campaign starts",
        events=("opportunity.*", "campaign.*"),
        components=of(CLOSED_DEALS, "won_value") | of(CAMPAIGNS, "cost"),
        value=return_on("cost", "won_value"),
        dimensions=("campaign",),
        within="campaign",
    ),
)

KPIS: Mapping[str, Kpi] = {kpi.name: kpi for kpi in _KPIS}

_STEPS = (
    "conversion of a step: members of the cohort that took the next one / that took this one; "
    "loss: 1 - conversion; of the last step 100 % and 0 %. A later step implies those before it, "
    "each is counted once, and lost deals stay in"
)

LEAD_FUNNEL = Funnel(
    name="funnel",
    title="Funnel from lead to won deal",
    formula=f"leads, those qualified, those with an opportunity, those with a won one; {_STEPS}",
    dated_by="the day a lead came in",
    events=("lead.*", "opportunity.*"),
    rollup=LEADS,
    steps=(
        ("lead", "Leads", "leads"),
        ("prospect", "Prospects", "prospects"),
        ("opportunity", "Opportunities", "opportunities"),
        ("won", "Won", "won"),
    ),
    dimensions=_LEAD,
)
STAGE_FUNNEL = Funnel(
    name="stage_funnel",
    title="Funnel through the stages of the pipeline",
    formula=f"deals that came to each stage of their pipeline or beyond it; {_STEPS}",
    dated_by="the month a deal was opened",
    events=("opportunity.*",),
    rollup=DEAL_STAGES,
)
FUNNELS: Mapping[str, Funnel] = {funnel.name: funnel for funnel in (LEAD_FUNNEL, STAGE_FUNNEL)}
