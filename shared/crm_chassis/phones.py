"""Telephone numbers: E.164 out of what people type."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Self

import phonenumbers
from marshmallow import ValidationError

_E164 = phonenumbers.PhoneNumberFormat.E164
_DIGITS = re.compile(r"\+?[0-9]{4,20}", re.ASCII)
_BETWEEN = re.compile(r"[\s().\-/]")
_LONGEST = 60

_region = ""


def use_region(region: str) -> None:
    """Read national numbers as those of a region, ``CN``; "" takes them as they are.

    One for the process, like the level of its logs: it is where the business is.
    """
    global _region
    _region = region


class TypedPhone(str):
    """A normalised number that remembers how it was typed.

    :ivar typed: the text as it came.
    """

    __slots__ = ("typed",)

    typed: str

    def __new__(cls, number: str, typed: str) -> Self:
        phone = super().__new__(cls, number)
        phone.typed = typed
        return phone


def normalised_phone(text: str) -> TypedPhone:
    """E.164 for an international number (``+86 138 0013 8000``), and for a national one that exists
    in the region set; else the digits as typed.

    :raises ValidationError: fewer than 4 or more than 20 digits, or letters.
    """
    typed = " ".join(text.split())
    # Chinese keyboards have full-width digits.
    digits = _BETWEEN.sub("", unicodedata.normalize("NFKC", typed))
    if len(typed) > _LONGEST or not _DIGITS.fullmatch(digits):
        raise ValidationError("Not a telephone number.")
    return TypedPhone(_international(digits) if digits[0] == "+" else _national(digits), typed)


@lru_cache(maxsize=5_000)
def parsed(number: str) -> phonenumbers.PhoneNumber:
    """The parts of a number that begins with ``+``; a record's numbers are asked for several times.

    :raises phonenumbers.NumberParseException: when it is none.
    """
    return phonenumbers.parse(number)


def _international(digits: str) -> str:
    try:
        number = parsed(digits)
    except phonenumbers.NumberParseException:
        raise ValidationError("Not an international telephone number.") from None
    if not phonenumbers.is_possible_number(number):
        raise ValidationError("Not a possible telephone number.")
    return phonenumbers.format_number(number, _E164)


def _national(digits: str) -> str:
    if not _region:
        return digits
    try:
        number = phonenumbers.parse(digits, _region)
    except phonenumbers.NumberParseException:
        return digits
    # A number without its area code is a possible one too, somewhere else.
    if not phonenumbers.is_valid_number(number):
        return digits
    return phonenumbers.format_number(number, _E164)
