"""What sales keeps of accounts, when it comes to keep more of them."""

from __future__ import annotations

from sqlalchemy import select, update

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Harness, event
from crm_sales.replicas import accounts

CREATED = "crm.customer.account.created.v1"


def owners(sales: Harness) -> dict[str, tuple[str | None, str | None]]:
    columns = accounts.c
    with sales.service.database.reading() as session:
        found = session.execute(select(columns.id, columns.owner_id, columns.team_id))
        return {id_: (owner, team) for id_, owner, team in found}


def test_accounts_without_owners_get_them_when_their_events_are_taken_again(anywhere):
    owner, team = new_id(), new_id()
    told = [
        event(CREATED, {"id": new_id(), "owner_id": owner, "team_id": team}, sequence=3)
        for _ in range(3)
    ]
    anywhere.deliver(*told)
    with anywhere.service.database.transaction() as session:  # as an older version left them
        session.execute(update(accounts).values(owner_id=None, team_id=None))

    anywhere.deliver(*told)
    assert set(owners(anywhere).values()) == {(None, None)}, "the inbox has seen them"

    with anywhere.app.app_context():
        since = "2020-01-01T00:00Z"
        arguments = ["events", "forget", "--from", "customer", "--since", since]
        result = anywhere.app.test_cli_runner().invoke(args=arguments)
    assert result.output.startswith("forgot 3 ")
    anywhere.deliver(*told)
    assert owners(anywhere) == {each.subject: (owner, team) for each in told}
