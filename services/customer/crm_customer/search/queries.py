"""What a search finds, best first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Row,
    Select,
    Text,
    Uuid,
    cast,
    literal,
    null,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal, forbidden, visible
from crm_customer.accounts.models import Account
from crm_customer.accounts.schemas import PHONE_RIGHT as ACCOUNT_PHONE
from crm_customer.contacts.models import Contact
from crm_customer.contacts.schemas import PHONE_RIGHT as CONTACT_PHONE
from crm_customer.search import folding, terms
from crm_customer.search.conditions import number_holds, tag_holds, text_holds
from crm_customer.search.matching import Closeness, Sought, held_by_digits, length_of
from crm_customer.tags.models import Tag

READ_ACCOUNTS, READ_CONTACTS = "customer.accounts.read", "customer.contacts.read"
_MOST_CANDIDATES = 100
_STAGES = (Closeness.START, Closeness.WORD, Closeness.INSIDE)
"""One after the other, until there are enough finds: the closest come first, and cost least."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A resource that is searched."""

    type: str
    model: type[Any]
    read: str
    phone_right: str
    account_id: ColumnElement[Any]

    @property
    def shows_phones(self) -> bool:
        """Whether the current principal may see telephone numbers in full."""
        return current_principal().may(self.phone_right)

    def candidates(self, condition: ColumnElement[bool]) -> Select[Any]:
        """Some rows that the current principal may see, in no order."""
        model = self.model
        hidden = cast(null(), Text)
        phones = model.phones if self.shows_phones else hidden.label("phones")
        lines = model.searched_phones if self.shows_phones else hidden.label("searched_phones")
        rows = visible(
            select(
                literal(self.type).label("type"),
                model.id,
                model.name,
                self.account_id.label("account_id"),
                model.emails,
                phones,
                model.tags,
                model.searched,
                lines,
            ).where(condition, model.merged_into.is_(None)),
            model,
            self.read,
        )
        return select(rows.limit(_MOST_CANDIDATES).subquery())


KINDS = {
    "account": Kind("account", Account, READ_ACCOUNTS, ACCOUNT_PHONE, cast(null(), Uuid(False))),
    "contact": Kind("contact", Contact, READ_CONTACTS, CONTACT_PHONE, Contact.account_id),
}


@dataclass(frozen=True, slots=True)
class Match:
    """A text of a customer that holds what is looked for.

    :ivar place: at which character of the folded text; :ivar length: how many it has in all.
    :ivar field: where the text stands; :ivar value: as it stands there.
    :ivar matched: how many of its characters match.
    """

    closeness: Closeness
    place: int
    length: int
    field: str
    value: str
    matched: int

    @property
    def stage(self) -> Closeness:
        """In which of the stages it is looked for."""
        return max(self.closeness, Closeness.START)

    @property
    def span(self) -> tuple[int, int]:
        """From which character of the value to which one, to show it."""
        unfolded = folding.unfolded_digits if self.field == "phones" else folding.unfolded
        return unfolded(self.value, self.place, self.matched)


@dataclass(frozen=True, slots=True)
class Found:
    """A customer that is found, by the closest of its texts."""

    type: str
    id: str
    name: str
    account_id: str | None
    match: Match

    @property
    def rank(self) -> tuple[int, int, str, str]:
        return self.match.closeness, self.match.length, self.name, self.id


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    :ivar text: folded; :ivar sought: the same, for the lines of rows.
    :ivar number: digits that may be part of a telephone number, or nothing.
    :ivar tags: the tags whose labels hold the text, by key.
    """

    text: str
    sought: Sought
    number: str
    tags: Mapping[str, Match]


def search(
    session: Session, query: str, types: Sequence[str], limit: int
) -> tuple[list[Found], bool]:
    """The ``limit`` best finds among what the current principal may see; whether there are more.

    The closest come first, of these the shortest texts, then by name. Where more than 100 of a
    kind are equally close, the order is among 100 of them.

    :raises Problem: 403 when the principal may read none of the types.
    """
    kinds = [kind for kind in map(KINDS.__getitem__, types) if current_principal().may(kind.read)]
    if not kinds:
        raise forbidden(" or ".join(KINDS[name].read for name in types))
    text = folding.folded(query)
    sought = Sought(text)
    wanted = Wanted(text, sought, folding.number_in(query), _tags(session, sought))
    found: dict[str, Found] = {}
    for closeness in _STAGES:
        for row in session.execute(_statement(kinds, wanted, closeness)):
            if row.id not in found and (match := _best_match(row, wanted)):
                found[row.id] = Found(row.type, row.id, row.name, row.account_id, match)
        if sum(each.match.closeness <= closeness for each in found.values()) > limit:
            break
    ranked = sorted(found.values(), key=lambda each: each.rank)
    return ranked[:limit], len(ranked) > limit


def accounts_of(session: Session, found: Sequence[Found]) -> dict[str, Row[tuple[str, str]]]:
    """Id and name of each account that contacts were found of and the current principal may see."""
    wanted = {each.account_id for each in found if each.account_id}
    if not wanted or not current_principal().may(READ_ACCOUNTS):
        return {}
    accounts = visible(
        select(Account.id, Account.name).where(Account.id.in_(wanted)), Account, READ_ACCOUNTS
    )
    return {account.id: account for account in session.execute(accounts)}


def _tags(session: Session, sought: Sought) -> dict[str, Match]:
    """The tags that hold a text; there are never many."""
    found = {}
    for tag in session.execute(select(Tag.key, Tag.label)):
        (line,) = folding.of_lines(folding.lines([folding.folded(tag.label)]))
        if held := sought.held_by(line):
            found[tag.key] = Match(*held, length_of(line), "tags", tag.label, sought.length)
    return found


def _statement(kinds: Sequence[Kind], wanted: Wanted, closeness: Closeness) -> CompoundSelect[Any]:
    return union_all(
        *(
            kind.candidates(condition)
            for kind in kinds
            for condition in _conditions(kind, wanted, closeness)
        )
    )


def _conditions(kind: Kind, wanted: Wanted, closeness: Closeness) -> Iterator[ColumnElement[bool]]:
    """What rows of a kind are asked for, to find those that are this close, or closer."""
    model, text, number = kind.model, wanted.text, wanted.number
    if closeness is Closeness.START:
        yield text_holds(model, terms.whole(text))
        yield text_holds(model, terms.start(text))
        if number and kind.shows_phones:
            yield number_holds(model, terms.whole_number(number))
            yield number_holds(model, terms.inside_number(number))
    elif closeness is Closeness.WORD:
        yield text_holds(model, terms.word(text))
    else:
        yield text_holds(model, terms.inside(text))
    tags = [key for key, match in wanted.tags.items() if match.stage is closeness]
    if tags:
        yield or_(*(tag_holds(model, terms.tagged(key)) for key in tags))


def _best_match(row: Row[Any], wanted: Wanted) -> Match | None:
    return min(
        _matches(row, wanted), key=lambda match: (match.closeness, match.length), default=None
    )


def _matches(row: Row[Any], wanted: Wanted) -> Iterator[Match]:
    sought = wanted.sought
    for line, (field, value) in zip(folding.of_lines(row.searched), _texts(row), strict=True):
        if held := sought.held_by(line):
            yield Match(*held, length_of(line), field, value, sought.length)
    yield from (wanted.tags[key] for key in row.tags if key in wanted.tags)
    if row.phones is None or not wanted.number:
        return
    for line, value in zip(folding.of_lines(row.searched_phones), row.phones, strict=True):
        if held := held_by_digits(line, wanted.number):
            yield Match(*held, len(line), "phones", value, len(wanted.number))


def _texts(row: Row[Any]) -> Iterator[tuple[str, str]]:
    yield "name", row.name
    yield from (("emails", email) for email in row.emails)
