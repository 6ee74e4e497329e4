"""The columns by which a customer is found, set with every change of it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import inspect
from sqlalchemy.orm.attributes import PASSIVE_NO_INITIALIZE

from crm_customer.kinds import on_customers
from crm_customer.search.models import columns_for

_SOURCES = ("name", "emails", "phones", "tags")


def watch_columns() -> None:
    """Keep the columns of each customer from now on; once, however often it is asked for."""
    on_customers("before_insert", _set_columns)
    on_customers("before_update", _set_changed_columns)


def _set_columns(_mapper: object, _connection: object, customer: Any) -> None:
    for name, value in columns_for(customer).items():
        setattr(customer, name, value)


def _set_changed_columns(mapper: object, connection: object, customer: Any) -> None:
    state = inspect(customer)
    histories = (state.get_history(name, PASSIVE_NO_INITIALIZE) for name in _SOURCES)
    if any(history.has_changes() for history in histories):
        _set_columns(mapper, connection, customer)
