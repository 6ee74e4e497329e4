"""``/v1/leaderboard`` and ``/v1/team-board``"""

from __future__ import annotations

from calendar import monthrange
from datetime import date, timedelta
from typing import Any

from flask.views import MethodView
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.calendar import today
from crm_chassis.paging import Listing, Page, page_schema
from crm_chassis.web import Blueprint, reads
from crm_sales.boards.leaderboard import MEASURES, Asked, leaderboard
from crm_sales.boards.schemas import (
    DealMoveView,
    LeaderboardQuery,
    LeaderboardView,
    TeamBoardQuery,
    TeamBoardView,
)
from crm_sales.boards.swings import KINDS
from crm_sales.boards.team_board import (
    Person,
    Sums,
    TeamBoard,
    Week,
    team_board,
    visible_moves,
    week_of,
)
from crm_sales.opportunities.moves import DealMove

READ, READ_DEALS = "sales.boards.read", "sales.opportunities.read"

MOVES = Listing(DealMove, sorts={"moved_at": DealMove.moved_at}, default="-moved_at", filters={})


class MovesQuery(TeamBoardQuery, MOVES.schema):
    """Which moves: those of a team's week."""


blueprint = Blueprint("boards", __name__, url_prefix="/v1", description="Boards")


def _week(session: Session, query: dict[str, Any]) -> Week:
    day = today(session)
    first = query.get("week", day - timedelta(days=day.weekday()))
    return week_of(
        session, current_principal(), READ, query["team_id"], first, below=query["below"]
    )


@blueprint.route("/leaderboard")
class LeaderboardOfMonth(MethodView):
    @reads(READ)
    @blueprint.arguments(LeaderboardQuery, location="query")
    @blueprint.response(200, LeaderboardView)
    def get(self, query: dict[str, Any], session: Session) -> dict[str, Any]:
        """Who leads in a month, as it stands now."""
        first: date = query.get("month", today(session).replace(day=1))
        last = first.replace(day=monthrange(first.year, first.month)[1])
        asked = Asked(
            measure=query["measure"],
            month=(first, last),
            scope=query["scope"],
            currency=query.get("currency"),
        )
        found = leaderboard(session, current_principal(), READ, asked)
        return {
            "month": first.strftime("%Y-%m"),
            "measure": asked.measure,
            "unit": MEASURES[asked.measure].unit,
            "scope": asked.scope,
            "currency": found.currency,
            "rows": found.places[: query["limit"]],
            "truncated": len(found.places) > query["limit"],
        }


@blueprint.route("/team-board")
class BoardOfTeam(MethodView):
    @reads(READ)
    @blueprint.arguments(TeamBoardQuery, location="query")
    @blueprint.response(200, TeamBoardView)
    def get(self, query: dict[str, Any], session: Session) -> dict[str, Any]:
        """What moved in a team in a week, and why its pipeline is worth more or less."""
        return _board_answer(team_board(session, _week(session, query)))


@blueprint.route("/team-board/moves")
class MovesOfTeam(MethodView):
    @reads(READ)
    @blueprint.arguments(MovesQuery, location="query")
    @blueprint.response(200, page_schema(DealMoveView))
    def get(self, query: dict[str, Any], session: Session) -> Page[DealMove]:
        """The deals behind a team's board: each before it moved and after it."""
        week = _week(session, query)
        return MOVES.page(session, visible_moves(week, READ_DEALS), query)


def _board_answer(board: TeamBoard) -> dict[str, Any]:
    week = board.week
    year, number, _ = week.first.isocalendar()
    return {
        "team_id": week.team_id,
        "name": board.name,
        "week": f"{year:04}-W{number:02}",
        "first": week.first,
        "last": week.last,
        "pipelines": board.pipelines,
        "people": [_person_answer(person) for person in board.people],
    }


def _person_answer(person: Person) -> dict[str, Any]:
    return {
        "member_id": person.member_id,
        "name": person.name,
        "moves": {kind: person.moves[kind] for kind in KINDS},
        "amounts": _amounts(person.amounts),
        "tasks_done": person.tasks_done,
        "tasks_overdue": person.tasks_overdue,
    }


def _amounts(sums: Sums) -> list[dict[str, Any]]:
    return [{"currency": currency, "causes": sums[currency]} for currency in sorted(sums)]
