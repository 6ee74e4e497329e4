"""What is kept of every customer, company or person alike."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from itertools import zip_longest
from typing import Any

from sqlalchemy import SmallInteger, String, Text
from sqlalchemy.orm import Mapped, mapped_column, validates

from crm_chassis.database import Id, Json
from crm_chassis.phones import TypedPhone
from crm_chassis.problems import conflict
from crm_customer.addresses import one_line
from crm_customer.lines import Lines

LEVELS = ("A", "B", "C")
SATISFACTIONS = ("high", "medium", "low")


class Profile:
    """The columns that accounts and contacts share.

    :ivar typed_phones: number to what was typed for it, where that is not the same.
    :ivar address_parts: the parts of ``addresses``, in the same order; the address in one line is
        what stands, and parts that do not make up that line are out of date.
    :ivar level: the customer's rank, None when not ranked.
    :ivar satisfaction: from surveys, None before the first answer.
    :ivar consent: channel to what was said of it.
    :ivar tags: what it bears; :ivar ruled_tags: those of them that rules gave.
    :ivar created_on: the business day since when it is a customer, which imported ones bring along.
    :ivar merged_into: the record that stands for this one, which is hidden then.
    :ivar quality: percent, ``completeness`` of ``validity``; -1 for what was not looked at yet.
    """

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    phones: Mapped[list[str]] = mapped_column(Lines, default=list)
    typed_phones: Mapped[dict[str, str]] = mapped_column(Json, default=dict, server_default="{}")
    emails: Mapped[list[str]] = mapped_column(Lines, default=list)
    addresses: Mapped[list[str]] = mapped_column(Json, default=list)
    address_parts: Mapped[list[dict[str, str]]] = mapped_column(
        Json, default=list, server_default="[]"
    )
    preferences: Mapped[str | None] = mapped_column(Text)
    needs: Mapped[str | None] = mapped_column(Text)
    satisfaction: Mapped[str | None] = mapped_column(String(10))
    region: Mapped[str | None] = mapped_column(String(100))
    level: Mapped[str | None] = mapped_column(String(1))
    source: Mapped[str | None] = mapped_column(String(100))
    consent: Mapped[dict[str, dict[str, Any]]] = mapped_column(
        Json, default=dict, server_default="{}"
    )
    tags: Mapped[list[str]] = mapped_column(Lines, default=list, server_default="")
    ruled_tags: Mapped[list[str]] = mapped_column(Lines, default=list, server_default="")
    created_on: Mapped[date]
    merged_into: Mapped[Id | None]
    completeness: Mapped[int] = mapped_column(SmallInteger, default=-1, server_default="-1")
    validity: Mapped[int] = mapped_column(SmallInteger, default=-1, server_default="-1")
    quality: Mapped[int] = mapped_column(SmallInteger, default=-1, server_default="-1")

    @validates("phones")
    def _keep_typed_phones(self, _name: str, numbers: Sequence[str]) -> list[str]:
        """What comes as it is stored, from who has read it here, was typed as before."""
        texts = dict(self.typed_phones or {})
        for number in numbers:
            if isinstance(number, TypedPhone) and number.typed != number:
                texts[str(number)] = number.typed
        self.typed_phones = {str(number): texts[number] for number in numbers if number in texts}
        return [str(number) for number in numbers]

    @property
    def phones_typed(self) -> list[str]:
        """The telephone numbers as they were typed, in the order of ``phones``."""
        typed = self.typed_phones or {}
        return [typed.get(number, number) for number in self.phones]

    @property
    def postal_addresses(self) -> list[dict[str, str]]:
        """The addresses by their parts; one of which only the line is known has just that."""
        known = (self.address_parts or [])[: len(self.addresses)]
        return [
            parts if parts and one_line(parts) == line else {"line1": line}
            for line, parts in zip_longest(self.addresses, known)
        ]

    @property
    def first_address(self) -> dict[str, str]:
        """The parts of the first address, none when there is no address."""
        return next(iter(self.postal_addresses), {})

    def require_standing(self) -> None:
        """:raises Problem: 409 when another record stands for this one."""
        if self.merged_into is not None:
            raise conflict(f"It was merged into {self.merged_into}.")
