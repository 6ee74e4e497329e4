"""Pricing: exact, rounded once, and adding up."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_chassis.problems import Problem
from crm_sales.pricing import Line, check_amount, minor_unit, price, share, split

CURRENCIES = st.sampled_from(["USD", "EUR", "CNY", "JPY", "KWD", "CLF"])
PERCENT = st.decimals(0, 100, places=4)
LINES = st.lists(
    st.builds(
        Line,
        quantity=st.decimals("0.0001", 10**6, places=4),
        unit_price=st.decimals(0, 10**6, places=4),
        discount_percent=PERCENT,
        tax_rate=PERCENT,
    ),
    min_size=1,
    max_size=8,
)


def rounded(exact: Fraction, unit: Decimal) -> Decimal:
    """Half up by integers alone, another way than the one under test."""
    units = exact / Fraction(unit)
    return Decimal((2 * units.numerator + units.denominator) // (2 * units.denominator)) * unit


@given(LINES, CURRENCIES)
def test_totals_are_the_sums_of_the_lines(lines: list[Line], currency: str) -> None:
    totals = price(lines, currency)
    for figure in ("subtotal", "discount", "net", "tax", "total"):
        assert getattr(totals, figure) == sum(getattr(line, figure) for line in totals.lines)
    assert totals.total == totals.subtotal - totals.discount + totals.tax


@given(LINES, CURRENCIES)
def test_amounts_are_rounded_half_up_to_the_minor_unit(lines: list[Line], currency: str) -> None:
    unit = minor_unit(currency)
    for line, total in zip(lines, price(lines, currency).lines, strict=True):
        assert total.subtotal == rounded(Fraction(line.quantity) * Fraction(line.unit_price), unit)
        off = Fraction(total.subtotal) * Fraction(line.discount_percent) / 100
        assert total.discount == rounded(off, unit)
        assert total.net == total.subtotal - total.discount
        assert total.tax == rounded(Fraction(total.net) * Fraction(line.tax_rate) / 100, unit)
        assert total.total == total.net + total.tax
        assert total.total >= 0


@given(
    amount=st.decimals(0, 10**9, places=0),
    quantities=st.lists(st.decimals("0.0001", 1000, places=4), min_size=1, max_size=10),
    currency=CURRENCIES,
)
def test_an_amount_shared_out_piece_by_piece_is_whole_at_the_end(
    amount: Decimal, quantities: list[Decimal], currency: str
) -> None:
    whole, given_so_far, pieces = sum(quantities), Decimal(0), []
    for quantity in quantities:
        before = share(amount, given_so_far, whole, currency)
        given_so_far += quantity
        pieces.append(share(amount, given_so_far, whole, currency) - before)
    assert sum(pieces) == amount
    assert min(pieces) >= 0


@given(st.decimals(0, 10**9, places=0), st.integers(1, 60), CURRENCIES)
def test_parts_of_a_split_add_up_and_are_alike(amount: Decimal, parts: int, currency: str) -> None:
    pieces = split(amount, parts, currency)
    assert len(pieces) == parts
    assert sum(pieces) == amount
    assert max(pieces) - min(pieces) <= minor_unit(currency)


@pytest.mark.parametrize(
    ("currency", "subtotal"),
    [("JPY", "4"), ("USD", "3.51"), ("EUR", "3.51"), ("KWD", "3.506"), ("CLF", "3.5055")],
)
def test_minor_units_are_those_of_the_currency(currency: str, subtotal: str) -> None:
    (line,) = price([Line(Decimal(3), Decimal("1.1685"))], currency).lines
    assert line.subtotal == Decimal(subtotal)


def test_a_worked_example() -> None:
    totals = price(
        [
            Line(Decimal(3), Decimal("19.99"), Decimal(10), Decimal(19)),
            Line(Decimal("0.5"), Decimal("0.05"), tax_rate=Decimal(7)),
        ],
        "EUR",
    )
    first, second = totals.lines
    assert (first.subtotal, first.discount, first.net) == tuple(
        map(Decimal, ("59.97", "6.00", "53.97"))
    )
    assert (first.tax, first.total) == (Decimal("10.25"), Decimal("64.22"))
    assert (second.subtotal, second.tax) == (Decimal("0.03"), Decimal("0.00"))
    assert totals.total == Decimal("64.25")


def test_long_numbers_stay_exact() -> None:
    quantity, unit_price = Decimal("12345678.9012"), Decimal("7654321.0123")
    (line,) = price([Line(quantity, unit_price)], "CLF").lines
    exact = Fraction(quantity) * Fraction(unit_price)
    assert line.subtotal == rounded(exact, Decimal("0.0001"))
    assert line.subtotal != (quantity * unit_price).quantize(Decimal(1), ROUND_HALF_UP)


@pytest.mark.parametrize(
    ("line", "field"),
    [
        (Line(Decimal(0), Decimal(1)), "quantity"),
        (Line(Decimal(-1), Decimal(1)), "quantity"),
        (Line(Decimal(1), Decimal("-0.01")), "unit_price"),
        (Line(Decimal(1), Decimal(1), discount_percent=Decimal("100.01")), "discount_percent"),
        (Line(Decimal(1), Decimal(1), discount_percent=Decimal(-1)), "discount_percent"),
        (Line(Decimal(1), Decimal(1), tax_rate=Decimal(-1)), "tax_rate"),
        (Line(Decimal(10**8), Decimal(10**8)), "unit_price"),
    ],
)
def test_a_line_that_cannot_be_sold_is_refused_by_its_name(line: Line, field: str) -> None:
    good = Line(Decimal(1), Decimal(0))  # what is given away is priced too
    with pytest.raises(Problem) as refused:
        price([good, line], "EUR")
    assert [name for name, _ in refused.value.errors] == [f"lines.1.{field}"]


@pytest.mark.parametrize("currency", ["ABC", "XAU", "eur", ""])
def test_what_is_no_money_is_refused(currency: str) -> None:
    with pytest.raises(Problem) as refused:
        price([Line(Decimal(1), Decimal(1))], currency)
    assert refused.value.errors[0][0] == "currency"


def test_half_a_yen_is_no_amount() -> None:
    check_amount(Decimal("12.50"), "USD", "amount")
    check_amount(Decimal("12.000"), "JPY", "amount")
    for amount, currency in (("12.5", "JPY"), ("0.001", "USD"), ("0.0001", "KWD")):
        with pytest.raises(Problem) as refused:
            check_amount(Decimal(amount), currency, "amount")
        assert refused.value.errors[0][0] == "amount"
