"""Telephone numbers out of what people type."""

from collections.abc import Iterator

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from crm_chassis import phones
from crm_chassis.phones import normalised_phone


@pytest.fixture
def in_china() -> Iterator[None]:
    phones.use_region("CN")
    yield
    phones.use_region("")


@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("+86 138 0013 8000", "+8613800138000"),
        ("＋８６ １３８ ００１３ ８０００", "+8613800138000"),
        (" +41\t44 555\n01 42 ", "+41445550142"),
        ("0571-5550-0143", "057155500143"),
        ("(0571) 5550.0143", "057155500143"),
        ("12345", "12345"),
    ],
)
def test_an_international_number_becomes_e164_and_another_one_its_digits(
    typed: str, number: str
) -> None:
    phone = normalised_phone(typed)
    assert phone == number
    assert phone.typed == " ".join(typed.split())


@pytest.mark.usefixtures("in_china")
@pytest.mark.parametrize(
    ("typed", "number"),
    [
        ("0571-5550-0143", "+8657155500143"),
        ("１３８ ００１３ ８０００", "+8613800138000"),
        ("0041 44 555 01 42", "+41445550142"),
        ("55500143", "55500143"),  # of which town it does not say
        ("10086", "10086"),
        ("+1 202 555 0142", "+12025550142"),
    ],
)
def test_a_national_number_of_the_region_becomes_e164(typed: str, number: str) -> None:
    assert normalised_phone(typed) == number


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "+",
        "123",
        "call me",
        "+86",
        "+999 12345678",
        "1" * 21,
        "+86138001380001234567",
        "1;2345",
    ],
)
def test_what_is_no_number_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError):
        normalised_phone(typed)


@given(st.text(max_size=80) | st.text("+0123456789０１２３-() ./\n", max_size=80))
def test_any_text_is_refused_or_becomes_digits_that_stay(text: str) -> None:
    try:
        phone = normalised_phone(text)
    except ValidationError:
        return
    assert str(phone).lstrip("+").isascii()
    assert str(phone).lstrip("+").isdigit()
    assert len(phone) <= 21
    assert len(phone.typed) <= 60
    assert normalised_phone(phone) == phone
    if phone.startswith("+"):
        assert phonenumbers.is_possible_number(phonenumbers.parse(phone))


@given(
    st.sampled_from(["CN", "DE", "US", "CH", "GB", "BR", "JP"]),
    st.sampled_from(["E164", "INTERNATIONAL", "NATIONAL"]),
)
def test_every_way_to_write_a_number_is_the_same_number(region: str, written: str) -> None:
    example = phonenumbers.example_number(region)
    text = phonenumbers.format_number(example, getattr(phonenumbers.PhoneNumberFormat, written))
    phones.use_region(region)
    try:
        found = normalised_phone(text)
    finally:
        phones.use_region("")
    assert found == phonenumbers.format_number(example, phonenumbers.PhoneNumberFormat.E164)
