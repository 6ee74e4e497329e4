"""Which tags a customer bears: those given by hand, and those that rules give beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

Categories = Mapping[str, str | None]
"""Every tag, and the category it is of."""


class Bearer(Protocol):
    """An account or a contact.

    :ivar tags: all that it bears; :ivar ruled_tags: those of them that rules gave.
    """

    tags: list[str]
    ruled_tags: list[str]


@dataclass
class Borne:
    """What a customer bears, to try what would become of it."""

    tags: list[str]
    ruled_tags: list[str]


def given_by_hand(bearer: Bearer) -> set[str]:
    return set(bearer.tags) - set(bearer.ruled_tags)


def give(bearer: Bearer, tag: str, categories: Categories) -> bool:
    """Give a tag by hand, in the place of another one of its category.

    :returns: False when the customer bore it so already.
    """
    hand = given_by_hand(bearer) - _rivals(tag, categories)
    return bear(bearer, hand | {tag}, bearer.ruled_tags, categories)


def take(bearer: Bearer, tag: str, categories: Categories) -> bool:
    """Take a tag that was given by hand; what rules would give comes back when they are asked."""
    return bear(bearer, given_by_hand(bearer) - {tag}, bearer.ruled_tags, categories)


def together(first: Collection[str], second: Collection[str], categories: Categories) -> set[str]:
    """Tags of two customers that one can be given by hand; of a category, those of the first."""
    filled = {categories.get(tag) for tag in first} - {None}
    return {*first, *(tag for tag in second if categories.get(tag) not in filled)}


def bear(
    bearer: Bearer, by_hand: Collection[str], by_rule: Iterable[str], categories: Categories
) -> bool:
    """Bear these and no others, as :func:`borne` says.

    :returns: False when that was so already.
    """
    given = borne(by_hand, by_rule, categories)
    if given == Borne(bearer.tags, bearer.ruled_tags):
        return False
    bearer.tags, bearer.ruled_tags = given.tags, given.ruled_tags
    return True


def borne(by_hand: Collection[str], by_rule: Iterable[str], categories: Categories) -> Borne:
    """What is borne by who is given these; where a category was filled by hand, a rule gives
    nothing.
    """
    filled = {categories.get(tag) for tag in by_hand} - {None}
    ruled = {tag for tag in by_rule if tag not in by_hand and categories.get(tag) not in filled}
    return Borne(sorted({*by_hand, *ruled}), sorted(ruled))


def as_given(
    values: Mapping[str, Any], bearer: Bearer | None, categories: Categories
) -> dict[str, list[str]]:
    """The two lists that make a customer bear the ``tags`` of a file's row, if it has any.

    They are given by hand, in the place of those given so before; a tag that a rule gave stays
    the rule's.
    """
    if "tags" not in values:
        return {}
    ruled = bearer.ruled_tags if bearer else []
    return asdict(borne(set(values["tags"]) - set(ruled), ruled, categories))


def _rivals(tag: str, categories: Categories) -> set[str]:
    """The tags that cannot be borne beside this one."""
    category = categories[tag]
    if category is None:
        return set()
    return {other for other, its in categories.items() if its == category and other != tag}
