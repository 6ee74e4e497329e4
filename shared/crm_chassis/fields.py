"""marshmallow fields for what every resource has: money, days, instants, names, phones."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, cast

from email_validator import EmailNotValidError, validate_email
from email_validator.rfc_constants import CASE_INSENSITIVE_MAILBOX_NAMES
from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.auth import current_principal, masked
from crm_chassis.database import MONEY_PLACES
from crm_chassis.phones import TypedPhone, normalised_phone
from crm_chassis.problems import flatten

_AMOUNT = re.compile(rf"-?\d{{1,14}}(\.\d{{1,{MONEY_PLACES}}})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_CENT = Decimal("0.01")
_LONGEST_EMAIL = 254
_PLAIN_MAILBOX = re.compile(r"(?=.{1,64}\Z)[a-z0-9_-]+(\.[a-z0-9_-]+)*", re.IGNORECASE | re.ASCII)
"""A dot-atom of RFC 5322 of letters and digits, which needs no further look."""


def decimal_text(amount: Decimal | None) -> str | None:
    """An amount as events and answers write it: two decimals, up to four where they matter."""
    if amount is None:
        return None
    in_cents = amount.quantize(_CENT) + 0  # not "-0.00"
    return str(in_cents if in_cents == amount else amount.normalize())


class Text(fields.String):
    """Text of bounded length without control characters; spaces around it are dropped.

    :param longest: greatest number of characters.
    :param empty: accept a text without characters.
    """

    def __init__(self, longest: int = 200, *, empty: bool = False, **kwargs: Any) -> None:
        super().__init__(validate=validate.Length(0 if empty else 1, longest), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs).strip()
        if _CONTROL.search(text):
            raise ValidationError("Control characters are not allowed.")
        return text


class MoneyAmount(fields.Field[Decimal]):
    """An exact amount, a decimal string: ``"1250.00"``.

    :param least: the smallest amount accepted.
    """

    def __init__(self, *, least: Decimal | None = None, **kwargs: Any) -> None:
        metadata = {"type": "string", "format": "decimal", "example": "1250.00"}
        super().__init__(metadata=metadata, **kwargs)
        self._least = least

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return decimal_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if not isinstance(value, str) or not _AMOUNT.fullmatch(value):
            raise ValidationError(
                f'Not an amount: a decimal string like "1250.00" is, with up to '
                f"{MONEY_PLACES} decimals."
            )
        amount = Decimal(value)
        if self._least is not None and amount < self._least:
            raise ValidationError(f"Must be {self._least} or more.")
        return amount


class Currency(fields.String):
    """An ISO 4217 code, ``EUR``."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = validate.Regexp(r"[A-Z]{3}\Z", error="Not a currency code like EUR.")
        super().__init__(validate=pattern, **kwargs)


class Instant(fields.Field[datetime]):
    """A moment, RFC 3339 with a zone; given back in UTC."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"type": "string", "format": "date-time"}, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return instant_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            raise ValidationError("Not an RFC 3339 time.") from None
        if instant.tzinfo is None:
            raise ValidationError("A time needs a zone, as in 2026-01-31T09:00:00+08:00.")
        try:
            return instant.astimezone(UTC)
        except OverflowError:
            raise ValidationError("Not a time between the years 1 and 9999.") from None


def instant_text(value: datetime | None) -> str | None:
    """A moment as events and answers write it."""
    return None if value is None else value.astimezone(UTC).isoformat().replace("+00:00", "Z")


class Reference(fields.UUID):
    """The id of another aggregate, a string in Python."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return str(super()._deserialize(value, attr, data, **kwargs))


class Phone(fields.String):
    """A telephone number, stored in E.164 where it can be read so, with what was typed for it.

    :param right: the field right that shows it in full; everybody else gets its last four digits.
    """

    def __init__(self, *, right: str, **kwargs: Any) -> None:
        super().__init__(metadata={"x-right": right}, **kwargs)
        self._right = right

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None or current_principal().may(self._right):
            return cast("str | None", value)
        return masked(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> TypedPhone:
        return normalised_phone(super()._deserialize(value, attr, data, **kwargs))


def normalised_email(text: str) -> str:
    """An e-mail address in the one form it is kept in.

    :raises EmailNotValidError: saying what is wrong with it.
    """
    name, _, domain = text.rpartition("@")
    if _PLAIN_MAILBOX.fullmatch(name) and name.lower() not in CASE_INSENSITIVE_MAILBOX_NAMES:
        # Many share a domain, which is what takes the time.
        return f"{name}@{_normalised_domain(domain)}"
    return validate_email(text, check_deliverability=False).normalized


@lru_cache(maxsize=10_000)
def _normalised_domain(domain: str) -> str:
    return validate_email(f"a@{domain}", check_deliverability=False).domain


class Email(fields.String):
    """An e-mail address by its syntax, its domain in lower case; nobody is asked for it."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(metadata={"format": "email"}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        if len(text) > _LONGEST_EMAIL:  # the library answers that in time of its square
            raise ValidationError(f"Longer than {_LONGEST_EMAIL} characters.")
        try:
            address = normalised_email(text)
        except EmailNotValidError as error:
            raise ValidationError(str(error)) from None
        if len(address) > _LONGEST_EMAIL:
            raise ValidationError(f"Longer than {_LONGEST_EMAIL} characters.")
        return address


class ListCell(fields.List[Any]):
    """A list in one cell of a file: its values between semicolons, as an export writes them."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        texts = [text for part in str(value).split(";") if (text := part.strip())]
        try:
            return super()._deserialize(texts, attr, data, **kwargs)
        except ValidationError as error:
            refusals = flatten(error.messages)
            raise ValidationError(
                [f"{texts[int(place)]}: {detail}" for place, detail in refusals]
            ) from None


def changes_of(schema: type[Schema]) -> Schema:
    """The same fields, each of them optional: the body of a PATCH."""
    return schema(partial=True)


def cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a file with its blank cells as missing values."""
    return {name: value for name, value in row.items() if value not in ("", None)}
