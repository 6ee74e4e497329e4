"""Amounts, instants and phones go in and come out as they were, on every database."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st
from marshmallow import ValidationError
from notes_service import amounts
from sqlalchemy import Column, Engine, Integer, MetaData, Table, delete, func, insert, select
from sqlalchemy.exc import StatementError

from crm_chassis.database import UTCDateTime, make_engine
from crm_chassis.fields import (
    Currency,
    Email,
    Instant,
    MoneyAmount,
    Phone,
    Text,
    decimal_text,
    instant_text,
    normalised_email,
)

AMOUNTS = st.decimals("-99999999999999.9999", "99999999999999.9999", places=4)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=ZONES)  # noqa: DTZ001 - hypothesis wants naive bounds

moments = Table(
    "moments",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("at", UTCDateTime, nullable=False),
)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path_factory: Any) -> Engine:
    url = f"sqlite:///{tmp_path_factory.mktemp('fields') / 'fields.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database("fields")
    engine = make_engine(url)
    with engine.begin() as connection:
        moments.create(connection)
        amounts.create(connection)
    yield engine
    engine.dispose()


class TestAmounts:
    @settings(max_examples=50, deadline=None)
    @given(values=st.lists(AMOUNTS, min_size=1, max_size=20))
    def test_they_are_stored_summed_and_compared_exactly(self, engine, values):
        with engine.begin() as connection:
            connection.execute(delete(amounts))
            connection.execute(insert(amounts), [{"value": value} for value in values])
            stored = connection.scalars(select(amounts.c.value).order_by(amounts.c.id)).all()
            total = connection.scalar(select(func.sum(amounts.c.value)))
            largest = connection.scalar(select(func.max(amounts.c.value)))
            at_least = connection.scalars(
                select(amounts.c.value).where(amounts.c.value >= values[0])
            ).all()
        assert stored == values
        assert all(isinstance(value, Decimal) for value in stored)
        assert total == sum(values)
        assert largest == max(values)
        assert sorted(at_least) == sorted(value for value in values if value >= values[0])

    @given(value=AMOUNTS)
    def test_their_text_means_the_same_and_is_read_back(self, value):
        text = decimal_text(value)
        assert Decimal(text) == value
        assert "E" not in text.upper()
        assert len(text.partition(".")[2]) in (2, 3, 4)
        assert MoneyAmount().deserialize(text) == value

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (None, None),
            (Decimal(0), "0.00"),
            (Decimal("-0"), "0.00"),
            (Decimal("1E+3"), "1000.00"),
            (Decimal("1250.5"), "1250.50"),
            (Decimal("0.0001"), "0.0001"),
            (Decimal("0.1250"), "0.125"),
        ],
    )
    def test_their_text_has_two_decimals_and_more_where_they_matter(self, value, text):
        assert decimal_text(value) == text

    @pytest.mark.parametrize(
        "wrong",
        [1, 1.5, True, None, "", " 1", "1 ", "1,5", "1e5", ".5", "1.", "+1", "--1", "1.00000"],
    )
    def test_what_is_no_amount_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            MoneyAmount().deserialize(wrong)

    @pytest.mark.parametrize("wrong", ["9" * 15, "NaN", "Infinity", "0x1", "1_000", "\u0661\u0662"])
    def test_what_python_would_take_for_a_number_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            MoneyAmount().deserialize(wrong)

    def test_the_smallest_amount_is_accepted(self):
        field = MoneyAmount(least=Decimal(0))
        assert field.deserialize("0") == 0
        with pytest.raises(ValidationError):
            field.deserialize("-0.0001")


class TestInstants:
    @settings(max_examples=50, deadline=None)
    @given(values=st.lists(INSTANTS, min_size=1, max_size=20))
    def test_they_are_stored_and_sorted_as_the_instants_they_are(self, engine, values):
        with engine.begin() as connection:
            connection.execute(delete(moments))
            connection.execute(insert(moments), [{"at": value} for value in values])
            stored = connection.scalars(select(moments.c.at).order_by(moments.c.id)).all()
            ordered = connection.scalars(select(moments.c.at).order_by(moments.c.at)).all()
        assert stored == values
        assert {value.utcoffset() for value in stored} == {timedelta(0)}
        assert ordered == sorted(values)

    @given(value=INSTANTS)
    def test_their_text_is_utc_and_is_read_back(self, value):
        text = instant_text(value)
        assert text.endswith("Z")
        assert Instant().deserialize(text) == value
        assert Instant().deserialize(value.isoformat()) == value

    def test_one_without_a_zone_is_refused(self, engine):
        with pytest.raises(ValidationError):
            Instant().deserialize("2026-01-31T09:00:00")
        naive = datetime(2026, 1, 31, 9)  # noqa: DTZ001 - that is what is tested
        with engine.connect() as connection, pytest.raises(StatementError, match="time zone"):
            connection.execute(insert(moments), {"at": naive})

    @pytest.mark.parametrize(
        "wrong", [None, 7, "", "now", "2026-02-30T00:00:00Z", "9999-12-31T23:59:59-08:00"]
    )
    def test_what_is_no_instant_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            Instant().deserialize(wrong)

    def test_summer_time_does_not_move_them(self, engine):
        berlin_summer = datetime.fromisoformat("2026-10-25T02:30:00+02:00")
        berlin_winter = datetime.fromisoformat("2026-10-25T02:30:00+01:00")
        with engine.begin() as connection:
            connection.execute(delete(moments))
            connection.execute(insert(moments), [{"at": berlin_winter}, {"at": berlin_summer}])
            ordered = connection.scalars(select(moments.c.at).order_by(moments.c.at)).all()
        assert ordered == [
            datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
            datetime(2026, 10, 25, 1, 30, tzinfo=UTC),
        ]


class TestPhones:
    @pytest.mark.parametrize(
        ("typed", "kept"),
        [
            ("+86 138 0013 8000", "+8613800138000"),
            ("+1 (650) 253-0000", "+16502530000"),
            ("+49.30/123456-78", "+493012345678"),
            ("  +442079460000 ", "+442079460000"),
            ("010-6552 9988", "01065529988"),
            ("+8613800138000", "+8613800138000"),
            ("１３８ 0013 8000", "13800138000"),
        ],
    )
    def test_they_are_kept_in_one_form(self, typed, kept):
        assert Phone(right="x").deserialize(typed) == kept
        assert Phone(right="x").deserialize(kept) == kept

    @pytest.mark.parametrize(
        "wrong", ["", "123", "call me", "+1", "+999123456", "1" * 21, "+86 138 ext. 7", "12\x0034"]
    )
    def test_what_is_no_phone_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            Phone(right="x").deserialize(wrong)


class TestTexts:
    def test_the_space_around_them_is_dropped(self):
        assert Text().deserialize("  李雷 \n") == "李雷"

    @pytest.mark.parametrize("wrong", ["", "  ", "x" * 11, "a\0b", "a\x1bb", "\ud800", 7, None])
    def test_what_cannot_be_kept_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            Text(10).deserialize(wrong)

    @pytest.mark.parametrize("wrong", ["eur", "EU", "EURO", "EUR\n", "ＥＵＲ"])
    def test_a_currency_is_an_iso_code(self, wrong):
        assert Currency().deserialize("EUR") == "EUR"
        with pytest.raises(ValidationError):
            Currency().deserialize(wrong)

    def test_an_address_keeps_its_name_and_lowers_its_domain(self):
        assert Email().deserialize("Wang.X@Example.COM") == "Wang.X@example.com"

    @pytest.mark.parametrize("wrong", ["nobody", "a@b", "a@b@c.example", f"{'a' * 250}@b.example"])
    def test_what_is_no_address_is_refused(self, wrong):
        with pytest.raises(ValidationError):
            Email().deserialize(wrong)


@given(st.one_of(st.emails(), st.text(st.sampled_from("aA.-_@é1 "), max_size=12)))
def test_an_address_is_normalised_as_its_library_does(text: str) -> None:
    def outcome(normalise: Callable[[str], str]) -> str | None:
        try:
            return normalise(text)
        except EmailNotValidError:
            return None

    def by_library(text: str) -> str:
        return validate_email(text, check_deliverability=False).normalized

    assert outcome(normalised_email) == outcome(by_library)
