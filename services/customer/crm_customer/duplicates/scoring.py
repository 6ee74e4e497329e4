"""How likely two records are the same customer.

Each field that two records agree or differ in shifts the odds by a weight, the base-10 logarithm
of how much more often that is so of one customer's two records than of two customers' (Fellegi and
Sunter, "A Theory for Record Linkage", 1969). The weights stand here and nowhere else;
``bench/duplicates.py`` measures what they find.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import date

from rapidfuzz import fuzz
from rapidfuzz.distance import OSA

from crm_customer.duplicates.identity import Identity, email_key, phone_key
from crm_customer.duplicates.names import CompanyName, PersonName, sound
from crm_customer.duplicates.vocabulary import GENERATIONS

_PERSON_PRIOR = -5.5
"""Odds of two people who share a key, before anything else is looked at."""
_COMPANY_PRIOR = -4.0

# Names. A name that contradicts outweighs a shared telephone, mailbox and address: families share.
_SAME, _SAME_SOUND, _TYPO, _PART_LEFT_OUT, _INITIAL, _SINGLE = 4.0, 3.0, 3.0, 3.0, 1.5, 1.0
_OTHER_CHARACTER, _OTHER_PART, _OTHER_NAME = -8.0, -8.0, -10.0
_COMPANY_SAME, _COMPANY_REORDERED, _COMPANY_SIMILAR, _COMPANY_PART = 5.0, 4.5, 3.5, 1.0
_COMPANY_OTHER = -6.0

_PHONE, _PHONE_TYPO, _PHONE_SHARED, _PHONE_OTHER = 4.0, 2.0, 1.5, -0.5
_EMAIL, _EMAIL_TYPO, _EMAIL_SHARED, _EMAIL_OTHER, _EMAIL_COLLEAGUE = 5.0, 2.5, 1.5, -0.3, -1.5
_ADDRESS, _OF_COMPANY = 3.0, 0.5
_BIRTHDAY, _BIRTHDAY_TYPO, _BIRTHDAY_OTHER = 3.5, 1.0, -5.0
_COMPANY, _OTHER_COMPANY = 1.5, -0.5
_SEX_OTHER = -2.0
_WEBSITE, _WEBSITE_OTHER, _DOMAIN, _COMPANY_PHONE = 4.0, -2.0, 2.5, 3.0
_REGION_OTHER, _OWNED = -1.5, -6.0

_ADDRESS_LIKENESS = 85  # percent, of the words
_NAME_LIKENESS = 92
_LONG_PART, _SHORT_PART = 8, 3


@dataclass(frozen=True, slots=True)
class Match:
    """What speaks for two records being the same.

    :ivar score: percent.
    :ivar reasons: the fields that agree, strongest first.
    """

    score: int
    reasons: tuple[str, ...]


Evidence = Iterator[tuple[str, float]]


def agreeing_keys(one: Identity, other: Identity) -> set[int]:
    """The keys of the telephones and mailboxes that two records have in common."""
    phones = {phone_key(one.kind, phone) for phone in one.phones & other.phones}
    return phones | {email_key(one.kind, email) for email in one.emails & other.emails}


def compare(one: Identity, other: Identity, shared: Collection[int] = ()) -> Match:
    """Weigh what two records of one kind agree and differ in.

    :param shared: keys of telephones and mailboxes that many have, and that tell less.
    """
    if one.person != other.person:
        return Match(0, ())
    weigh = _weigh_people if one.person else _weigh_companies
    found = list(weigh(one, other, shared))
    prior = _PERSON_PRIOR if one.person else _COMPANY_PRIOR
    odds = 10.0 ** min(prior + sum(weight for _, weight in found), 6.0)
    agreeing = sorted((pair for pair in found if pair[1] > 0), key=lambda pair: -pair[1])
    return Match(int(100 * odds / (1 + odds)), tuple(field for field, _ in agreeing))


def _weigh_people(one: Identity, other: Identity, shared: Collection[int]) -> Evidence:
    assert isinstance(one.name, PersonName)
    assert isinstance(other.name, PersonName)
    yield "name", _compare_people(one.name, other.name)
    company = _compare_employers(one, other)
    yield "company", company
    phone = _compare_phones(one, other, shared, _PHONE)
    yield "phone", _OF_COMPANY if company > 0 and phone == _PHONE_SHARED else phone
    yield "email", _compare_emails(one, other, shared)
    address = _same_address(one, other)
    yield "address", (_OF_COMPANY if company > 0 else _ADDRESS) if address else 0.0
    yield "birthday", _compare_birthdays(one.birthday, other.birthday)
    if one.sex and other.sex and one.sex != other.sex:
        yield "sex", _SEX_OTHER


def _compare_people(one: PersonName, other: PersonName) -> float:
    if _rotated(one.compact, other.compact):
        same = one.han == other.han or sorted(one.han) == sorted(other.han)
        return _SAME if same else _SAME_SOUND
    if one.han and other.han:
        return _compare_han(one.han, other.han)
    return _compare_parts(one.parts, other.parts)


def _rotated(one: str, other: str) -> bool:
    """True when one is the other with its end put before its beginning."""
    return len(one) == len(other) and one in other + other


def _compare_han(one: str, other: str) -> float:
    """Of two or three characters each counts: brothers and sisters differ in one."""
    if OSA.distance(one, other) == 1:
        return _OTHER_CHARACTER
    return _OTHER_PART if one[0] == other[0] else _OTHER_NAME


def _compare_parts(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    fewer, more = sorted((list(one), list(other)), key=len)
    exact = _take_pairs(fewer, more, str.__eq__)
    if fewer and _one_typo("".join(fewer), "".join(more)):  # within a word, or of words as such
        return _TYPO
    typos = _take_pairs(fewer, more, _one_typo)
    initials = _take_pairs(fewer, more, _initial)
    if fewer:
        return _OTHER_PART if exact else _OTHER_NAME
    if GENERATIONS.intersection(more) or typos > 1 or (typos and not exact):
        return _OTHER_PART
    if exact + initials == 1 and not typos:
        return _SINGLE
    if initials:
        return _INITIAL
    return _PART_LEFT_OUT


def _take_pairs(some: list[str], others: list[str], alike: Callable[[str, str], bool]) -> int:
    """Take what is alike out of both lists.

    :returns: how many pairs that were.
    """
    before = len(some)
    for part in list(some):
        if found := next((each for each in others if alike(part, each)), None):
            some.remove(part)
            others.remove(found)
    return before - len(some)


def _one_typo(one: str, other: str) -> bool:
    shorter = min(len(one), len(other))
    allowed = 2 if shorter >= _LONG_PART else 1
    return shorter >= _SHORT_PART and OSA.distance(one, other, score_cutoff=allowed) <= allowed


def _initial(one: str, other: str) -> bool:
    return one[0] == other[0] and 1 in (len(one), len(other))


def _compare_phones(
    one: Identity, other: Identity, shared: Collection[int], weight: float
) -> float:
    if not one.phones or not other.phones:
        return 0.0
    if common := one.phones & other.phones:
        lines = {phone_key(one.kind, phone) for phone in common}
        own = lines.difference(shared) and not _each_has_others(one.phones, other.phones)
        return weight if own else _PHONE_SHARED
    if _any_pair(one.phones, other.phones, lambda a, b: OSA.distance(a, b, score_cutoff=1) == 1):
        return _PHONE_TYPO
    return _PHONE_OTHER


def _compare_emails(one: Identity, other: Identity, shared: Collection[int]) -> float:
    if not one.emails or not other.emails:
        return 0.0
    if common := one.emails & other.emails:
        boxes = {email_key(one.kind, email) for email in common}
        own = boxes.difference(shared) and not _each_has_others(one.emails, other.emails)
        return _EMAIL if own else _EMAIL_SHARED
    if _any_pair(one.emails, other.emails, _mistyped):
        return _EMAIL_TYPO
    return _EMAIL_COLLEAGUE if one.domains & other.domains else _EMAIL_OTHER


def _each_has_others(one: frozenset[str], other: frozenset[str]) -> bool:
    """True when what is common to both may be a family's or an office's: each has its own too."""
    return bool(one - other and other - one)


def _mistyped(one: str, other: str) -> bool:
    """True for one letter's difference; a number's is another mailbox."""
    if OSA.distance(one, other, score_cutoff=1) != 1:
        return False
    return [each for each in one if each.isdigit()] == [each for each in other if each.isdigit()]


def _any_pair(
    some: Collection[str], others: Collection[str], alike: Callable[[str, str], bool]
) -> bool:
    return any(alike(one, other) for one in some for other in others)


def _same_address(one: Identity, other: Identity) -> bool:
    return any(
        numbers == others and fuzz.token_set_ratio(text, words) >= _ADDRESS_LIKENESS
        for text, numbers in one.addresses
        for words, others in other.addresses
    )


def _compare_birthdays(one: date | None, other: date | None) -> float:
    if one is None or other is None:
        return 0.0
    if one == other:
        return _BIRTHDAY
    if one.year == other.year and (one.month, one.day) == (other.day, other.month):
        return _BIRTHDAY_TYPO
    if OSA.distance(one.isoformat(), other.isoformat(), score_cutoff=1) == 1:
        return _BIRTHDAY_TYPO
    same = (one.year == other.year) + (one.month == other.month) + (one.day == other.day)
    return 0.0 if same == 2 else _BIRTHDAY_OTHER


def _compare_employers(one: Identity, other: Identity) -> float:
    if one.company_id is None or other.company_id is None:
        return 0.0
    if one.company_id == other.company_id:
        return _COMPANY
    if one.company and other.company and _compare_names(one.company, other.company) > 0:
        return _COMPANY
    return _OTHER_COMPANY


def _weigh_companies(one: Identity, other: Identity, shared: Collection[int]) -> Evidence:
    assert isinstance(one.name, CompanyName)
    assert isinstance(other.name, CompanyName)
    yield "name", _compare_names(one.name, other.name)
    yield "phone", _compare_phones(one, other, shared, _COMPANY_PHONE)
    yield "email", min(_compare_emails(one, other, shared), _COMPANY_PHONE)
    if one.website and other.website:
        yield "website", _WEBSITE if one.website == other.website else _WEBSITE_OTHER
    elif one.domains & other.domains:
        yield "domain", _DOMAIN
    yield "address", _ADDRESS if _same_address(one, other) else 0.0
    if one.region and other.region and one.region != other.region:
        yield "region", _REGION_OTHER
    if one.id in (other.parent_id, "") or other.id in (one.parent_id, ""):
        yield "parent", _OWNED


def _compare_names(one: CompanyName, other: CompanyName) -> float:
    if one.numbers != other.numbers or (one.region and other.region and one.region != other.region):
        return _COMPANY_OTHER
    if one.compact == other.compact:
        return _COMPANY_SAME if one.region == other.region else _COMPANY_REORDERED
    if one.key == other.key:
        return _COMPANY_REORDERED
    if one.compact.isascii() and other.compact.isascii():
        return _compare_latin_names(one, other)
    return _COMPANY_SIMILAR if sound(one.compact) == sound(other.compact) else _COMPANY_OTHER


def _compare_latin_names(one: CompanyName, other: CompanyName) -> float:
    likeness = max(
        fuzz.ratio(one.compact, other.compact),
        fuzz.token_sort_ratio(" ".join(one.words), " ".join(other.words)),
    )
    if likeness >= _NAME_LIKENESS and min(len(one.compact), len(other.compact)) >= _LONG_PART:
        return _COMPANY_SIMILAR
    if set(one.words) < set(other.words) or set(other.words) < set(one.words):
        return _COMPANY_PART
    return _COMPANY_OTHER
