"""What of a record tells who it is, normalised for comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from hashlib import blake2b
from typing import Any

from crm_customer.duplicates.names import (
    CompanyName,
    PersonName,
    company_name,
    folded,
    person_name,
    sound,
    words,
)
from crm_customer.duplicates.vocabulary import PUBLIC_MAIL
from crm_customer.kinds import KindName

_PHONE_DIGITS = 9  # the end of a number, the same with and without its country's prefix
_LEAST_PHONE_DIGITS = 7
_KEYED_LETTERS = 6
_WITHOUT_DOTS = frozenset({"gmail.com", "googlemail.com"})
_SEXES = {"m": "m", "male": "m", "man": "m", "男": "m", "f": "f", "female": "f", "woman": "f"}
_SEXES |= {"w": "f", "女": "f"}
_DIGITS = re.compile(r"\d+")
_MAILBOX = re.compile(r"[^\s@,;<>]+@[^\s@,;<>]+\.[^\s@,;<>]+")
_NUMBER = re.compile(r"[+\d][\d\s()./-]{6,}")


@dataclass(frozen=True, slots=True)
class Identity:
    """A record's identity. What it does not have is empty.

    :ivar person: True for contacts and consumers, whose name is a person's.
    :ivar company: the account a contact is with.
    """

    kind: KindName
    id: str
    person: bool
    name: PersonName | CompanyName
    phones: frozenset[str]
    emails: frozenset[str]
    addresses: tuple[tuple[str, frozenset[str]], ...]
    region: str
    birthday: date | None
    sex: str
    company_id: str | None
    company: CompanyName | None
    website: str
    parent_id: str | None

    @property
    def domains(self) -> frozenset[str]:
        """The mail domains that are an organisation's own."""
        found = {email.rpartition("@")[2] for email in self.emails} - PUBLIC_MAIL
        return frozenset(found | {self.website} if self.website else found)


def identity_of(kind: KindName, record: Any) -> Identity:
    """The identity of what has the attributes of an account or a contact."""
    person = kind == "contact" or record.kind == "consumer"
    company = getattr(record, "account_name", None)
    phones, emails, addresses = _in_their_places(record)
    return Identity(
        kind=kind,
        id=record.id,
        person=person,
        name=person_name(record.name) if person else company_name(record.name),
        phones=frozenset(filter(None, map(phone_digits, phones))),
        emails=frozenset(map(canonical_email, emails)),
        addresses=tuple(map(_address, addresses)),
        region=folded(record.region or ""),
        birthday=getattr(record, "birthday", None),
        sex=_SEXES.get(folded(getattr(record, "sex", None) or ""), ""),
        company_id=getattr(record, "account_id", None),
        company=company_name(company) if company else None,
        website=_host(getattr(record, "website", None) or ""),
        parent_id=getattr(record, "parent_id", None),
    )


def _in_their_places(record: Any) -> tuple[list[str], list[str], list[str]]:
    """Telephone numbers, mailboxes and addresses; the former may stand among the latter."""
    phones, emails, addresses = list(record.phones or ()), list(record.emails or ()), []
    for text in record.addresses or ():
        if found := _MAILBOX.findall(text):
            emails.extend(found)
        elif _NUMBER.fullmatch(text):
            phones.append(text)
        else:
            addresses.append(text)
    return phones, emails, addresses


def phone_digits(phone: str) -> str:
    """The end of a telephone number that every way to write it shares; empty for a short one."""
    digits = "".join(_DIGITS.findall(phone))
    return digits[-_PHONE_DIGITS:] if len(digits) >= _LEAST_PHONE_DIGITS else ""


def canonical_email(email: str) -> str:
    """The mailbox an address leads to: without a tag, and at Gmail without dots."""
    name, _, domain = folded(email).rpartition("@")
    name = name.partition("+")[0] or name
    if domain in _WITHOUT_DOTS:
        name, domain = name.replace(".", ""), "gmail.com"
    return f"{name}@{domain}"


def _address(text: str) -> tuple[str, frozenset[str]]:
    found = words(text)
    return " ".join(found), frozenset(_DIGITS.findall(" ".join(found)))


def _host(website: str) -> str:
    address = folded(website).partition("//")[2] or folded(website)
    return re.split(r"[/:?#]", address)[0].removeprefix("www.")


def keys_of(identity: Identity) -> set[int]:
    """Numbers of which two records have at least one in common if they may be the same.

    One for each telephone number and mailbox; for a person each part of the name, and the initials,
    with the birthday, each part with the numbers of an address, and the whole name with the
    company; for a company its name, the beginning and the end of it, its website and mail domain.
    """
    return {_number(identity.kind, text) for text in _key_texts(identity)}


def phone_key(kind: KindName, phone: str) -> int:
    return _number(kind, f"p:{phone}")


def email_key(kind: KindName, email: str) -> int:
    return _number(kind, f"e:{email}")


def _key_texts(identity: Identity) -> Iterator[str]:
    yield from (f"p:{phone}" for phone in identity.phones)
    yield from (f"e:{email}" for email in identity.emails)
    if isinstance(identity.name, PersonName):
        yield from _person_keys(identity, identity.name)
    else:
        yield from _company_keys(identity, identity.name)


def _person_keys(identity: Identity, name: PersonName) -> Iterator[str]:
    numbers = {" ".join(sorted(found)) for _, found in identity.addresses if found}
    born = identity.birthday
    if born is not None:
        initials = "".join(sorted(part[0] for part in name.parts))
        yield f"i:{initials}:{born.isoformat()}"
    for part in set(name.parts):
        if born is not None:
            yield f"b:{part}:{born.isoformat()}"
        yield from (f"a:{part}:{number}" for number in numbers)
    if identity.company_id is not None:
        yield f"c:{name.key}:{identity.company_id}"


def _company_keys(identity: Identity, name: CompanyName) -> Iterator[str]:
    letters = "".join(map(sound, name.words))
    yield f"n:{name.key}"
    if len(letters) > _KEYED_LETTERS:
        yield f"h:{letters[:_KEYED_LETTERS]}"
        yield f"t:{letters[-_KEYED_LETTERS:]}"
    yield from (f"d:{domain}" for domain in identity.domains)


def _number(kind: KindName, text: str) -> int:
    """63 bits of a hash; those of accounts are below zero, so that each kind is one range."""
    number = int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) >> 1
    return ~number if kind == "account" else number


def key_range(kind: KindName) -> tuple[int, int]:
    """The smallest and the largest key there can be of a kind."""
    return (-(2**63), -1) if kind == "account" else (0, 2**63 - 1)
