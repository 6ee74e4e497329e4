"""Figures as they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.inbox import inbox
from crm_chassis.paging import Page
from crm_reporting.kpis.facts import Fact
from crm_reporting.kpis.figures import Figure, Figures
from crm_reporting.kpis.funnels import FunnelStep
from crm_reporting.kpis.kpi import AMOUNT, Funnel, Kpi, Unit
from crm_reporting.kpis.names import names
from crm_reporting.kpis.periods import end_of, label
from crm_reporting.kpis.questions import Question

Json = dict[str, Any]


def number(value: Decimal | int | None, unit: Unit) -> str | float | int | None:
    """A value as JSON has it: money as a decimal string, shares and times as numbers."""
    if value is None:
        return None
    if unit == "count":
        return int(value)
    return decimal_text(Decimal(value)) if unit == "money" else float(value)


def as_of(session: Session) -> datetime | None:
    """When the newest event that the figures contain was taken in."""
    newest: datetime | None = session.scalar(select(func.max(inbox.c.received_at)))
    return newest


def figures_answer(kpi: Kpi, question: Question, found: Figures, limit: int) -> Json:
    """The answer to a question about a KPI."""
    shown = found.rows[:limit]
    called = names(question.session, question.by, (row.member for row in shown))
    rows = [_place(question, row.start, row.member, called) | _figure(kpi, row) for row in shown]
    return _head(kpi, question, found.currency) | {
        "rows": rows,
        "truncated": len(found.rows) > limit,
        "total": _figure(kpi, found.total),
    }


def funnel_answer(asked: Funnel, question: Question, found: list[FunnelStep], limit: int) -> Json:
    """The answer to a question about a funnel."""
    shown = found[:limit]
    called = names(question.session, question.by, (step.member for step in shown))
    rows = [
        _place(question, step.start, step.member, called)
        | {
            "step": {"id": step.step[0], "name": step.step[1]},
            "value": step.count,
            "conversion": number(step.conversion, "rate"),
            "loss": number(step.loss, "rate"),
        }
        for step in shown
    ]
    return _head(asked, question, None) | {"rows": rows, "truncated": len(found) > limit}


def facts_answer(asked: Kpi | Funnel, page: Page[Fact]) -> Json:
    """A page of facts."""
    items = [
        {
            "kind": fact.kind,
            "id": fact.id,
            "name": fact.name,
            "day": fact.day,
            "currency": fact.currency,
            "components": _components(asked, fact.sums),
        }
        for fact in page.items
    ]
    return {"items": items, "next_cursor": page.next_cursor}


def _head(asked: Kpi | Funnel, question: Question, currency: str | None) -> Json:
    return {
        "kpi": asked.name,
        "title": asked.title,
        "unit": asked.unit,
        "currency": currency,
        "from": question.span.first,
        "to": question.span.last,
        "grain": question.grain,
        "by": question.by,
        "level": question.level,
    }


def _place(question: Question, start: date | None, member: str, called: Mapping[str, str]) -> Json:
    """Period and member of a row; its days are those of the period that were asked for."""
    first, last = question.span.first, question.span.last
    period = None
    if question.grain is not None and start is not None:
        period = label(question.grain, start)
        end = end_of(question.grain, start)
        first = max(start, first) if first else start
        last = min(end, last) if last else end
    divided = question.by is not None
    return {
        "period": period,
        "from": first,
        "to": last,
        "member": {"id": member or None, "name": called[member]} if divided else None,
    }


def _figure(kpi: Kpi, figure: Figure) -> Json:
    return {
        "value": number(figure.value, kpi.unit),
        "components": _components(kpi, figure.sums),
    }


def _components(asked: Kpi | Funnel, sums: Mapping[str, int]) -> Json:
    if isinstance(asked, Funnel):
        return dict(sums)
    return {
        name: decimal_text(Decimal(value) / AMOUNT) if asked.components[name].is_amount else value
        for name, value in sums.items()
    }
