"""What a converted lead becomes here: an account, unless it went into one, and a contact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_customer.accounts.events import account_created
from crm_customer.accounts.models import Account
from crm_customer.contacts.events import contact_created
from crm_customer.contacts.models import Contact
from crm_customer.duplicates.commands import propose


def on_lead_converted(session: Session, converted: Sequence[Event]) -> None:
    """Let the accounts and contacts of conversions come to be; what is there stays as it is.

    What they are like is proposed for review: nothing is refused that has happened.
    """
    accounts, contacts = [], []
    for event in _new(session, Account, "account", converted):
        account = _account(event)
        session.add(account)
        account_created(session, account, event)
        accounts.append(account)
    session.flush()  # the contacts refer to the accounts
    for event in _new(session, Contact, "contact", converted):
        contact = _contact(event)
        session.add(contact)
        contact_created(session, contact, event)
        contacts.append(contact)
    propose(session, "account", accounts, "conversion")
    propose(session, "contact", contacts, "conversion")


def _new(session: Session, model: type[Any], part: str, converted: Sequence[Event]) -> list[Event]:
    """The events by whose ``part`` something comes to be that is not there.

    Where several leads went into one account, it is as the earliest of them tells.
    """
    latest_first = sorted(converted, key=lambda event: event.time, reverse=True)
    telling = {event.data["change"][part]["id"]: event for event in latest_first}
    there = set(session.scalars(select(model.id).where(model.id.in_(telling))))
    return [event for key, event in telling.items() if key not in there]


def _account(event: Event) -> Account:
    """The account of a conversion: a consumer where it bears the person's own name."""
    facts = event.data["change"]["account"]
    kind = "consumer" if facts["name"] == event.data["name"] else "business"
    return Account(**facts, kind=kind, created_on=_day(event))


def _contact(event: Event) -> Contact:
    facts = dict(event.data["change"]["contact"])
    phone, email = facts.pop("phone"), facts.pop("email")
    return Contact(
        **facts,
        phones=[phone] if phone else [],
        emails=[email] if email else [],
        created_on=_day(event),
    )


def _day(event: Event) -> date:
    return date.fromisoformat(event.data["converted_on"])
