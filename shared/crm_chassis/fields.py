"""marshmallow fields for what every resource has: money, days, instants, names, phones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, cast

import phonenumbers
from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.auth import current_principal, masked
from crm_chassis.database import MONEY_PLACES
from crm_chassis.problems import flatten

_AMOUNT = re.compile(rf"-?\d{{1,14}}(\.\d{{1,{MONEY_PLACES}}})?", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_E164 = phonenumbers.PhoneNumberFormat.E164
_CENT = Decimal("0.01")


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
    """A telephone number, stored in E.164 where it can be read as international.

    :param right: the field right that shows it in full; everybody else gets its last four digits.
    """

    def __init__(self, *, right: str, **kwargs: Any) -> None:
        super().__init__(metadata={"x-right": right}, **kwargs)
        self._right = right

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None or current_principal().may(self._right):
            return cast("str | None", value)
        return masked(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return normalised_phone(super()._deserialize(value, attr, data, **kwargs))


def normalised_phone(text: str) -> str:
    """E.164 for an international number (``+86 138 0013 8000``), else the digits as typed.

    :raises ValidationError: fewer than 4 or more than 20 digits, or letters.
    """
    text = unicodedata.normalize("NFKC", text)  # full-width digits, as Chinese keyboards have them
    digits = re.sub(r"[\s().\-/]", "", text)
    if not re.fullmatch(r"\+?[0-9]{4,20}", digits):
        raise ValidationError("Not a telephone number.")
    if not digits.startswith("+"):
        return digits
    try:
        number = phonenumbers.parse(digits)
    except phonenumbers.NumberParseException:
        raise ValidationError("Not an international telephone number.") from None
    if not phonenumbers.is_possible_number(number):
        raise ValidationError("Not a possible telephone number.")
    return phonenumbers.format_number(number, _E164)


class Email(fields.Email):
    """An e-mail address, its domain in lower case."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        address = super()._deserialize(value, attr, data, **kwargs)
        if len(address) > 254:
            raise ValidationError("Longer than 254 characters.")
        name, _, domain = address.rpartition("@")
        return f"{name}@{domain.lower()}"


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
