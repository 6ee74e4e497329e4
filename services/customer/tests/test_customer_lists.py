"""Lists walk an index, whatever they are sorted by."""

import pytest
from sqlalchemy import Select, select, text
from sqlalchemy.dialects import sqlite

from crm_chassis.testing_harness import Harness
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact


def plan(customer: Harness, statement: Select) -> str:
    query = statement.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with customer.service.database.reading() as session:
        return "\n".join(row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {query}")))


@pytest.mark.parametrize("model", [Account, Contact])
@pytest.mark.parametrize("sort", ["created_at", "name"])
def test_a_sort_needs_no_sorting(customer: Harness, model: type, sort: str) -> None:
    column = getattr(model, sort)
    index = f"{model.__tablename__}_by_{sort}"
    for order in ((column, model.id), (column.desc(), model.id.desc())):
        found = plan(customer, select(model).order_by(*order).limit(26))
        assert f"USING INDEX {index}" in found
        assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    ("column", "index"),
    [
        (Account.owner_id, "accounts_by_owner"),
        (Account.team_id, "accounts_by_team"),
        (Account.parent_id, "accounts_by_parent"),
        (Contact.owner_id, "contacts_by_owner"),
        (Contact.team_id, "contacts_by_team"),
        (Contact.account_id, "contacts_by_account"),
    ],
)
def test_ones_own_newest_come_from_an_index(customer: Harness, column, index: str) -> None:
    model = column.class_
    newest = select(model).where(column == "0190f3a1-0000-7000-8000-000000000000")
    found = plan(customer, newest.order_by(model.created_at.desc(), model.id.desc()).limit(26))
    assert f"USING INDEX {index}" in found
    assert "TEMP B-TREE" not in found
