"""What can be done with interactions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from marshmallow import ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign, change_fields, default_owner, owned_by
from crm_chassis.auth import Principal, visible
from crm_chassis.calendar import day_of
from crm_chassis.database import new_id, utc_now
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_chassis.problems import flatten, invalid
from crm_customer.accounts import queries as accounts
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact
from crm_customer.followup.commands import contacted, recount
from crm_customer.interactions import events
from crm_customer.interactions.models import Interaction
from crm_customer.interactions.queries import READ_CONTACTS, WRITE
from crm_customer.interactions.schemas import load_details

_CLOCKS_APART = timedelta(minutes=5)
_LONGEST = timedelta(days=7)
_WITH_WHOM = ("account_id", "contact_id")
# The details of a kind, as a file calls them.
_CELLS = {
    "email": {"sender", "participants", "subject", "text", "reference", "opened_at", "replied_at"},
    "call": {"participants", "seconds", "text", "reference"},
    "chat": {"participants", "ended_at", "text"},
    "meeting": {"subject", "participants", "ended_at", "text"},
    "visit": {"place", "text"},
}
_ALL_CELLS = set().union(*_CELLS.values())


def record(session: Session, principal: Principal, values: dict[str, Any]) -> Interaction:
    """Add an interaction; it is that of the given owner, or else of who adds it.

    :raises Problem: 422 for a customer that is not there, details that are not the kind's, or
        times that cannot be.
    """
    details = _checked_details(values["kind"], values.pop("details"))
    _require_visible(session, values)
    _require_customer(values)
    owner_id = values.pop("owner_id", default_owner(principal))
    interaction = _new(session, values | details)
    _take_account(session, [interaction])
    assign(session, interaction, owner_id, WRITE)
    session.add(interaction)
    session.flush()
    contacted(session, [interaction])
    events.interaction_recorded(session, interaction)
    return interaction


def change(session: Session, interaction: Interaction, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner brings a new team.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 like :func:`record`.
    """
    if "details" in changes:
        given = changes.pop("details")
        changes |= _checked_details(interaction.kind, given, partial=True)
    _require_times(changes, interaction)
    moved = {key: value for key, value in changes.items() if value != getattr(interaction, key)}
    _require_visible(session, {key: moved.get(key) for key in _WITH_WHOM})
    _require_customer({key: getattr(interaction, key) for key in _WITH_WHOM} | moved)
    before = {key: getattr(interaction, key) for key in _WITH_WHOM}
    reassigned = "owner_id" in moved
    if reassigned:
        assign(session, interaction, moved.pop("owner_id"), WRITE)
    if not change_fields(interaction, moved) and not reassigned:
        return False
    _derive(session, interaction)
    if moved.keys() & {"occurred_at", *_WITH_WHOM}:
        recount(session, {key: {before[key], getattr(interaction, key)} for key in _WITH_WHOM})
    events.interaction_changed(session, interaction)
    return True


def attachments_changed(session: Session, interaction: Interaction, count: int) -> None:
    """Tell that an interaction has another number of attachments than before."""
    interaction.attachments = count
    events.interaction_changed(session, interaction)


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert interactions."""
    resolve(session, rows, "account", "account_id", Account.__table__)
    resolve(session, rows, "contact", "contact_id", Contact.__table__)
    resolve_owner(session, rows)
    written: list[Interaction] = []
    touched: dict[str, set[str | None]] = {name: set() for name in _WITH_WHOM}

    def create_row(session: Session, values: dict[str, Any]) -> Interaction:
        _require_customer(values)
        _require_own_cells(values["kind"], values)
        interaction = _new(session, owned_by(principal) | values)
        session.add(interaction)
        written.append(interaction)
        events.interaction_recorded(session, interaction)
        return interaction

    def change_row(session: Session, interaction: Interaction, values: dict[str, Any]) -> bool:
        if values["kind"] != interaction.kind:
            raise invalid(("kind", f"It is recorded as {interaction.kind}."))
        _require_own_cells(interaction.kind, values)
        _require_times(values, interaction)
        before = {name: getattr(interaction, name) for name in _WITH_WHOM}
        if not change_fields(interaction, values):
            return False
        _derive(session, interaction)
        for name in _WITH_WHOM:
            touched[name] |= {before[name], getattr(interaction, name)}
        events.interaction_changed(session, interaction)
        return True

    upsert(session, Interaction, key, rows, create=create_row, change=change_row)
    _take_account(session, written)
    session.flush()
    contacted(session, written)
    recount(session, touched)


def _checked_details(kind: str, details: Any, *, partial: bool = False) -> dict[str, Any]:
    try:
        return load_details(kind, details, partial=partial)
    except ValidationError as error:
        raise invalid(*flatten(error.messages)) from None


def _require_visible(session: Session, values: dict[str, Any]) -> None:
    if account_id := values.get("account_id"):
        accounts.require_visible(session, account_id, "account_id")
    if contact_id := values.get("contact_id"):
        wanted = select(Contact.id).where(Contact.id == contact_id)
        if session.scalar(visible(wanted, Contact, READ_CONTACTS)) is None:
            raise invalid(("contact_id", "No such contact."))


def _require_customer(values: dict[str, Any]) -> None:
    if not any(values.get(name) for name in _WITH_WHOM):
        raise invalid(("account_id", "Say with which account or contact it was."))


def _require_own_cells(kind: str, values: dict[str, Any]) -> None:
    strange = values.keys() & _ALL_CELLS - _CELLS[kind]
    if strange:
        raise invalid(*((name, f"There is none of a {kind}.") for name in sorted(strange)))


def _new(session: Session, values: dict[str, Any]) -> Interaction:
    _require_times(values)
    interaction = Interaction(
        **{"id": new_id(), "channel": values["kind"], "attachments": 0} | values
    )
    _derive(session, interaction)
    return interaction


def _require_times(values: dict[str, Any], known: Interaction | None = None) -> None:
    """:raises Problem: 422 for times that are still to come, or in the wrong order."""

    def at(name: str) -> datetime | None:
        return values.get(name, getattr(known, name, None))

    began, ended = at("occurred_at"), at("ended_at")
    latest = utc_now() + _CLOCKS_APART
    for name in ("occurred_at", "ended_at", "opened_at", "replied_at"):
        moment = at(name)
        if moment and moment > latest:
            raise invalid((name, "An interaction has happened; what is to come is a task."))
        if moment and began and moment < began:
            raise invalid((name, "Before it began."))
    if began and ended and ended - began > _LONGEST:
        raise invalid(("ended_at", f"More than {_LONGEST.days} days after it began."))


def _derive(session: Session, interaction: Interaction) -> None:
    """Set what follows from the rest."""
    interaction.occurred_on = day_of(session, interaction.occurred_at)
    if interaction.ended_at:
        lasted = interaction.ended_at - interaction.occurred_at
        interaction.seconds = int(lasted.total_seconds())
    elif interaction.kind in ("chat", "meeting"):
        interaction.seconds = None


def _take_account(session: Session, interactions: Sequence[Interaction]) -> None:
    """Let what was with a contact be with the contact's account too, unless one was named."""
    without = [each for each in interactions if each.contact_id and not each.account_id]
    if not without:
        return
    found = session.execute(
        select(Contact.id, Contact.account_id).where(
            Contact.id.in_({each.contact_id for each in without})
        )
    )
    account_of = dict(found.tuples().all())
    for each in without:
        each.account_id = account_of.get(each.contact_id)
