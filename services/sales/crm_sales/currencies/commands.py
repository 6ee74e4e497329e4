"""What can be done with the base currency and the exchange rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.imports import Row
from crm_chassis.problems import Problem, conflict, invalid
from crm_sales import pricing
from crm_sales.currencies import events, queries
from crm_sales.currencies.models import CurrencySettings, ExchangeRate


def set_base_currency(
    session: Session, settings: CurrencySettings, currency: str | None
) -> CurrencySettings:
    """Choose the base currency; deals keep what they got until their amount changes.

    :param settings: as :func:`crm_sales.currencies.queries.settings` gives them, locked.
    :returns: the settings as they are stored.
    """
    if currency is not None:
        pricing.minor_unit(currency)
    if settings.version == 0:
        settings = CurrencySettings(base_currency=currency)
        session.add(settings)
    elif not change_fields(settings, {"base_currency": currency}):
        return settings
    events.base_currency_set(session, settings)
    return settings


def put_rate(session: Session, values: dict[str, Any]) -> ExchangeRate:
    """Set the rate of a currency from a day on; a second one for that day replaces the first.

    :raises Problem: 409 without a base currency; 422 for a currency that is none, or is the base.
    """
    base = _checked(queries.base_currency(session), values["currency"])
    found = session.scalars(
        select(ExchangeRate)
        .where(
            ExchangeRate.base_currency == base,
            ExchangeRate.currency == values["currency"],
            ExchangeRate.valid_from == values["valid_from"],
        )
        .with_for_update()
    ).one_or_none()
    if found is None:
        return _add(session, base, values)
    _change(session, found, values)
    return found


def _checked(base: str | None, currency: str) -> str:
    """The base currency, if there is one and another one may have a rate in it."""
    if base is None:
        raise conflict("There is no base currency: set it first.")
    pricing.minor_unit(currency)
    if currency == base:
        raise invalid(("currency", "The base currency is always worth 1."))
    return base


def _add(session: Session, base: str, values: dict[str, Any]) -> ExchangeRate:
    rate = ExchangeRate(base_currency=base, **values)
    session.add(rate)
    events.rate_set(session, rate)
    return rate


def _change(session: Session, rate: ExchangeRate, values: dict[str, Any]) -> bool:
    if not change_fields(rate, values):
        return False
    events.rate_set(session, rate)
    return True


def import_rows(session: Session, _principal: Principal, _key: str, rows: Sequence[Row]) -> None:
    """Set rates; a row finds the one it changes by its currency and day."""
    base = queries.base_currency(session)
    known = {
        (rate.currency, rate.valid_from): rate
        for rate in session.scalars(
            select(ExchangeRate).where(
                ExchangeRate.base_currency == base,
                ExchangeRate.currency.in_({row.values["currency"] for row in rows}),
                ExchangeRate.valid_from.in_({row.values["valid_from"] for row in rows}),
            )
        )
    }
    for row in rows:
        if row.refused:
            continue
        try:
            _take(session, base, known, row)
        except Problem as problem:
            for name, detail in problem.errors or [("currency", problem.detail)]:
                row.refuse(name, detail)


def _take(
    session: Session, base: str | None, known: dict[tuple[Any, Any], ExchangeRate], row: Row
) -> None:
    base = _checked(base, row.values["currency"])
    key = (row.values["currency"], row.values["valid_from"])
    if key not in known:
        known[key] = _add(session, base, row.values)
        row.outcome = "created"
    elif _change(session, known[key], row.values):
        row.outcome = "changed"
