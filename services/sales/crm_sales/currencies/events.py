"""What is told of currencies."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_sales.currencies.models import CurrencySettings, ExchangeRate
from crm_sales.currencies.schemas import rate_text


def _rate_state(rate: ExchangeRate) -> dict[str, Any]:
    return {
        "id": rate.id,
        "base_currency": rate.base_currency,
        "currency": rate.currency,
        "valid_from": rate.valid_from.isoformat(),
        "rate": rate_text(rate.rate),
    }


def rate_set(session: Session, rate: ExchangeRate) -> None:
    record(session, "crm.sales.exchange_rate.set.v1", rate, _rate_state)


def _settings_state(settings: CurrencySettings) -> dict[str, Any]:
    return {"id": settings.id, "base_currency": settings.base_currency}


def base_currency_set(session: Session, settings: CurrencySettings) -> None:
    record(session, "crm.sales.base_currency.set.v1", settings, _settings_state)
