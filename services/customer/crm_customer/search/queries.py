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
from crm_customer.contacts.models import Contact
from crm_customer.kinds import ACCOUNT, CONTACT, Kind
from crm_customer.search import folding, terms
from crm_customer.search.conditions import number_holds, tag_holds, text_holds
from crm_customer.search.matching import Closeness, Sought, held_by_digits, length_of
from crm_customer.tags.models import Tag

_MOST_CANDIDATES = 100
_STAGES = (Closeness.START, Closeness.INSIDE)
"""One after the other, until there are enough finds this close: most often the first will do."""


@dataclass(frozen=True, slots=True)
class Searched:
    """A kind of customers that is searched.

    :ivar columns: of its table: a statement of columns takes half as long to put together as one of
        entities, and there are a dozen in a search.
    """

    kind: Kind
    columns: Any
    account_id: ColumnElement[Any]

    @property
    def shows_phones(self) -> bool:
        """Whether the current principal may see telephone numbers in full."""
        return current_principal().may(self.kind.phone)

    def candidates(self, condition: ColumnElement[bool]) -> Select[Any]:
        """Some rows that the current principal may see, in no order."""
        columns = self.columns
        rows = visible(
            select(
                literal(self.kind.name).label("type"),
                columns.id,
                columns.name,
                self.account_id.label("account_id"),
                columns.emails,
                columns.phones if self.shows_phones else cast(null(), Text).label("phones"),
                columns.tags,
            ).where(condition, columns.merged_into.is_(None)),
            columns,
            self.kind.read,
        )
        return select(rows.limit(_MOST_CANDIDATES).subquery())


_ACCOUNTS, _CONTACTS = Account.__table__.c, Contact.__table__.c
SEARCHED = {
    "account": Searched(ACCOUNT, _ACCOUNTS, cast(null(), Uuid(False))),
    "contact": Searched(CONTACT, _CONTACTS, _CONTACTS.account_id),
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
        return next(stage for stage in _STAGES if self.closeness <= stage)

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
    asked = [SEARCHED[name] for name in types]
    searched = [each for each in asked if current_principal().may(each.kind.read)]
    if not searched:
        raise forbidden(" or ".join(each.kind.read for each in asked))
    text = folding.folded(query)
    sought = Sought(text)
    wanted = Wanted(text, sought, folding.number_in(query), _tags(session, sought))
    found: dict[str, Found] = {}
    for closeness in _STAGES:
        for row in session.execute(_statement(searched, wanted, closeness)):
            if row.id not in found and (match := _best_match(row, wanted)):
                found[row.id] = Found(row.type, row.id, row.name, row.account_id, match)
        if sum(each.match.closeness <= closeness for each in found.values()) > limit:
            break
    ranked = sorted(found.values(), key=lambda each: each.rank)
    return ranked[:limit], len(ranked) > limit


def accounts_of(session: Session, found: Sequence[Found]) -> dict[str, Row[tuple[str, str]]]:
    """Id and name of each account that contacts were found of and the current principal may see."""
    wanted = {each.account_id for each in found if each.account_id}
    if not wanted or not current_principal().may(ACCOUNT.read):
        return {}
    accounts = visible(
        select(Account.id, Account.name).where(Account.id.in_(wanted)), Account, ACCOUNT.read
    )
    return {account.id: account for account in session.execute(accounts)}


def _tags(session: Session, sought: Sought) -> dict[str, Match]:
    """The tags that hold a text; there are never many."""
    found = {}
    for tag in session.execute(select(Tag.key, Tag.label)):
        line = folding.marked(folding.folded(tag.label))
        if held := sought.held_by(line):
            found[tag.key] = Match(*held, length_of(line), "tags", tag.label, sought.length)
    return found


def _statement(
    searched: Sequence[Searched], wanted: Wanted, closeness: Closeness
) -> CompoundSelect[Any]:
    return union_all(
        *(
            each.candidates(condition)
            for each in searched
            for condition in _conditions(each, wanted, closeness)
        )
    )


def _conditions(
    searched: Searched, wanted: Wanted, closeness: Closeness
) -> Iterator[ColumnElement[bool]]:
    """What rows of a kind are asked for, to find those that are this close, or closer."""
    columns, text, number = searched.columns, wanted.text, wanted.number
    if closeness is Closeness.START:
        yield text_holds(columns, terms.whole(text))
        yield text_holds(columns, terms.start(text))
        if number and searched.shows_phones:
            yield number_holds(columns, terms.whole_number(number))
            yield number_holds(columns, terms.inside_number(number))
    else:
        yield text_holds(columns, terms.word(text))
        yield text_holds(columns, terms.inside(text))
    tags = [key for key, match in wanted.tags.items() if match.stage is closeness]
    if tags:
        yield or_(*(tag_holds(columns, terms.tagged(key)) for key in tags))


def _best_match(row: Row[Any], wanted: Wanted) -> Match | None:
    return min(
        _matches(row, wanted), key=lambda match: (match.closeness, match.length), default=None
    )


def _matches(row: Row[Any], wanted: Wanted) -> Iterator[Match]:
    sought = wanted.sought
    for field, value in _texts(row):
        line = folding.marked(folding.folded(value))
        if held := sought.held_by(line):
            yield Match(*held, length_of(line), field, value, sought.length)
    yield from (wanted.tags[key] for key in row.tags if key in wanted.tags)
    if row.phones is None or not wanted.number:
        return
    for value in row.phones:
        digits = folding.digits_of(value)
        if held := held_by_digits(digits, wanted.number):
            yield Match(*held, len(digits), "phones", value, len(wanted.number))


def _texts(row: Row[Any]) -> Iterator[tuple[str, str]]:
    yield "name", row.name
    yield from (("emails", email) for email in row.emails)
