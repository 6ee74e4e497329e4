"""The rollups: what of each row is summed up, by which day and which dimensions.

A rollup's rows are sums over the rows of one state table. A row's share of them depends on that
row alone (and on the industry and region of its account), so the rollups are the same whichever
way the states came about, and a change of a row moves exactly the difference of its shares.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

Row = Mapping[str, Any]
Measures = tuple[int, ...]
Member = tuple[str, str, str]
"""Dimension, member and team."""

UNDATED = date.min
"""Stands for the day of what has no business day yet; it is in no period."""

DAY, MONTH = "day", "month"
ALL = "all"
PERSON = "person"
ACCOUNT = "account"
ACCOUNT_ATTRIBUTES = ("industry", "region")
"""Dimensions whose members are not in the row but in its account."""


class Counted(NamedTuple):
    """Where a row is counted, and for how much."""

    day: date
    currency: str
    members: list[Member]
    share: Measures


@dataclass(frozen=True, kw_only=True, eq=False)
class Rollup:
    """Sums over the rows of one table, by business day, dimension, member and currency.

    :ivar of: the table whose rows are summed.
    :ivar day: its column with the business day.
    :ivar measures: names of the sums, in whole units of days, seconds or pieces.
    :ivar amounts: those of them that are amounts, in ten-thousandths of a currency.
    :ivar dated_only: leave out what has no business day.
    :ivar only: columns to the values that they must have for a row to be counted.
    :ivar measured: what one row adds to each measure. One of them is a count, so that a row of sums
        is all zero only when nothing is counted in it.
    :ivar dimensions: dimension to the column with its member, beside ``all`` and ``person``.
    :ivar person: the column with the person; their team is ``team_id``.
    :ivar grains: what is kept: sums by month alone for what stands, where a day tells nothing and
        every change of a row would move two sums instead of one.
    :ivar through_account: add the industry and region of the row's account.
    """

    name: str
    of: str
    day: str
    measures: tuple[str, ...]
    measured: Callable[[Row], Measures]
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    dated_only: bool = False
    amounts: frozenset[str] = frozenset()
    dimensions: Mapping[str, str] = field(default_factory=dict)
    person: str = "owner_id"
    through_account: bool = False
    grains: tuple[str, ...] = (DAY, MONTH)

    def share(self, row: Row) -> Measures | None:
        """What ``row`` adds to each measure; None when it is not counted."""
        if self.dated_only and row[self.day] is None:
            return None
        for column, values in self.only.items():
            if row[column] not in values:
                return None
        return self.measured(row)

    def counted(self, row: Row, account: Row | None) -> Counted | None:
        """Where ``row`` is counted, and for how much; None when it is not."""
        share = self.share(row)
        if share is None:
            return None
        day = row[self.day] or UNDATED
        if DAY not in self.grains:
            day = day.replace(day=1)
        return Counted(day, row.get("currency") or "", self._members(row, account), share)

    def _members(self, row: Row, account: Row | None) -> list[Member]:
        """One of each dimension, always in the same order.

        The team is told for persons alone: by team and by person within a team are sums of these.
        """
        found = [(ALL, "", ""), (PERSON, row[self.person] or "", row["team_id"] or "")]
        found += [(name, row[column] or "", "") for name, column in self.dimensions.items()]
        if self.through_account:
            found += [(name, (account and account[name]) or "", "") for name in ACCOUNT_ATTRIBUTES]
        return found


def _cycle(deal: Row) -> tuple[int, int]:
    """(days from opened on to closed on, 1), or (0, 0) where either is not known."""
    if deal["opened_on"] is None or deal["closed_on"] is None:
        return 0, 0
    return (deal["closed_on"] - deal["opened_on"]).days, 1


def _closed(deal: Row) -> Measures:
    if deal["stage_type"] == "lost":
        return (0, 0, 0, 0, 0, 0, 1, *_cycle(deal))
    amount = deal["amount"]
    return (1, amount or 0, int(amount is not None), deal["quantity"] or 0, *_cycle(deal), 0, 0, 0)


def weighted(amount: int, probability: int) -> int:
    """``amount`` by ``probability`` percent, in ten-thousandths: exact for amounts in cents."""
    return (amount * probability + 50) // 100


def _open(deal: Row) -> Measures:
    amount = deal["amount"] or 0
    return 1, amount, weighted(amount, deal["probability"]), deal["quantity"] or 0


def _one(_row: Row) -> Measures:
    return (1,)


LEAD, PROSPECT, OPPORTUNITY, WON = 1, 2, 3, 4
"""The steps of the funnel from lead to won deal; a lead that took one took those before it."""


def _lead(lead: Row) -> Measures:
    step = lead["step"]
    return 1, int(step >= PROSPECT), int(step >= OPPORTUNITY), int(step >= WON)


def _resolved(ticket: Row) -> Measures:
    seconds = ticket["resolution_seconds"]
    return 1, seconds or 0, int(seconds is not None)


def _delivered(request: Row) -> Measures:
    seconds = request["seconds_to_delivery"]
    return 1, seconds or 0, int(seconds is not None)


def _campaign(campaign: Row) -> Measures:
    return 1, campaign["budget"] or 0, campaign["actual_cost"] or 0


def _order(order: Row) -> Measures:
    return 1, order["total"] or 0


def _returned(goods: Row) -> Measures:
    return 1, goods["amount"]


def _received(receipt: Row) -> Measures:
    return 1, receipt["amount"] or 0


def _move(move: Row) -> Measures:
    return 1, move["seconds"]


_DEAL = {
    "product": "product_id",
    "account": "account_id",
    "source": "source",
    "campaign": "campaign_id",
}
_TICKET = {"account": "account_id", "type": "type", "priority": "priority", "channel": "channel"}
_REQUEST = {"account": "account_id", "product": "product_id"}

CLOSED_DEALS = Rollup(
    name="rollup_closed_deals",
    of="opportunities",
    day="closed_on",
    dimensions=_DEAL,
    through_account=True,
    measures=(
        "won_count",
        "won_value",
        "won_priced",
        "won_quantity",
        "won_days",
        "won_timed",
        "lost_count",
        "lost_days",
        "lost_timed",
    ),
    amounts=frozenset({"won_value"}),
    only={"stage_type": ("won", "lost")},
    measured=_closed,
)
OPEN_DEALS = Rollup(
    name="rollup_open_deals",
    of="opportunities",
    day="expected_close_on",
    grains=(MONTH,),
    dimensions=_DEAL | {"stage": "stage"},
    through_account=True,
    measures=("count", "value", "weighted", "quantity"),
    amounts=frozenset({"value", "weighted"}),
    only={"stage_type": ("open",)},
    measured=_open,
)
DEAL_STAGES = Rollup(
    name="rollup_deal_stages",
    of="opportunities",
    day="opened_on",
    grains=(MONTH,),
    dimensions={"stage": "stage", "furthest_stage": "furthest_stage"},
    measures=("count",),
    measured=_one,
)
STAGE_TIMES = Rollup(
    name="rollup_stage_times",
    of="stage_moves",
    day="moved_on",
    dimensions={"stage": "from_stage"},
    measures=("count", "seconds"),
    measured=_move,
)
STATUS_TIMES = Rollup(
    name="rollup_status_times",
    of="lead_moves",
    day="moved_on",
    dimensions={"status": "from_status"},
    measures=("count", "seconds"),
    measured=_move,
)
LEADS = Rollup(
    name="rollup_leads",
    of="leads",
    day="created_on",
    dimensions={
        "source": "source",
        "campaign": "campaign_id",
        "industry": "industry",
        "region": "region",
    },
    measures=("leads", "prospects", "opportunities", "won"),
    measured=_lead,
)
CUSTOMERS = Rollup(
    name="rollup_customers",
    of="accounts",
    day="created_on",
    dimensions={
        "source": "source",
        "industry": "industry",
        "region": "region",
        "customer_level": "level",
    },
    measures=("count",),
    measured=_one,
)
OPENED_TICKETS = Rollup(
    name="rollup_opened_tickets",
    of="tickets",
    day="opened_on",
    dimensions=_TICKET,
    person="assignee_id",
    through_account=True,
    measures=("count",),
    measured=_one,
)
RESOLVED_TICKETS = Rollup(
    name="rollup_resolved_tickets",
    of="tickets",
    day="resolved_on",
    dimensions=_TICKET,
    person="assignee_id",
    through_account=True,
    measures=("count", "seconds", "timed"),
    dated_only=True,
    measured=_resolved,
)
CAMPAIGNS = Rollup(
    name="rollup_campaigns",
    of="campaigns",
    day="starts_on",
    dimensions={"campaign": "id", "channel": "channel"},
    measures=("count", "budget", "cost"),
    amounts=frozenset({"budget", "cost"}),
    measured=_campaign,
)
ORDERS = Rollup(
    name="rollup_orders",
    of="orders",
    day="placed_on",
    dimensions={"account": "account_id", "campaign": "campaign_id"},
    through_account=True,
    measures=("count", "value"),
    amounts=frozenset({"value"}),
    only={"status": ("placed", "paid", "fulfilled", "completed")},
    measured=_order,
)
RETURNS = Rollup(
    name="rollup_returns",
    of="order_returns",
    day="returned_on",
    measures=("count", "value"),
    amounts=frozenset({"value"}),
    measured=_returned,
)
RECEIPTS = Rollup(
    name="rollup_receipts",
    of="receipts",
    day="received_on",
    dimensions={"account": "account_id", "method": "method"},
    through_account=True,
    measures=("count", "value"),
    amounts=frozenset({"value"}),
    only={"status": ("recorded",)},
    measured=_received,
)
INTERACTIONS = Rollup(
    name="rollup_interactions",
    of="interactions",
    day="occurred_on",
    dimensions={"kind": "kind", "account": "account_id", "direction": "direction"},
    through_account=True,
    measures=("count",),
    measured=_one,
)
LIFE_CYCLES = Rollup(
    name="rollup_life_cycles",
    of="life_cycles",
    day="entered_on",
    grains=(MONTH,),
    dimensions={"life_cycle": "stage", "customer_type": "customer_type"},
    measures=("count",),
    measured=_one,
)
REQUESTS = Rollup(
    name="rollup_requests",
    of="requests",
    day="opened_on",
    dimensions=_REQUEST,
    through_account=True,
    measures=("count",),
    measured=_one,
)
DELIVERED_REQUESTS = Rollup(
    name="rollup_delivered_requests",
    of="requests",
    day="delivered_on",
    dimensions=_REQUEST,
    through_account=True,
    measures=("count", "seconds", "timed"),
    dated_only=True,
    measured=_delivered,
)

ROLLUPS = (
    CLOSED_DEALS,
    OPEN_DEALS,
    DEAL_STAGES,
    STAGE_TIMES,
    STATUS_TIMES,
    LEADS,
    CUSTOMERS,
    OPENED_TICKETS,
    RESOLVED_TICKETS,
    CAMPAIGNS,
    ORDERS,
    RETURNS,
    RECEIPTS,
    INTERACTIONS,
    LIFE_CYCLES,
    REQUESTS,
    DELIVERED_REQUESTS,
)
"""In the order in which a batch writes them, which is the same for all workers."""
