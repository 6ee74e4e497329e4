"""A quote as the document that the customer gets."""

from __future__ import annotations

import io
from collections.abc import Container, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from itertools import groupby
from xml.sax.saxutils import escape

from fontpkg_noto_sans import ROOT
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.platypus import Flowable, Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

from crm_sales.pricing import minor_unit
from crm_sales.quotes.models import Quote, QuoteLine

_OWN, _EAST_ASIAN = "Noto Sans", "STSong-Light"
_FILE = ROOT / "files" / "NotoSans[wdth,wght].ttf"
_COLUMNS = (("Item", 74), ("Quantity", 20), ("Price", 28), ("Off", 16), ("Tax", 16), ("Total", 28))


@dataclass(frozen=True, slots=True)
class Parties:
    """Who offers what to whom, by name.

    :ivar customer: the account or, without one, the contact.
    :ivar attention: the contact at the account.
    """

    customer: str | None
    attention: str | None
    seller: str | None


@cache
def _characters() -> Container[int]:
    """What the document's own font has, once the fonts are registered.

    For all else the viewer's Chinese font is named, not sent along: each document would be
    megabytes long.
    """
    pdfmetrics.registerFont(TTFont(_OWN, str(_FILE)))
    pdfmetrics.registerFont(UnicodeCIDFont(_EAST_ASIAN))
    own: Container[int] = pdfmetrics.getFont(_OWN).face.charToGlyph
    return own


_BODY = ParagraphStyle("body", fontName=_OWN, fontSize=9, leading=13, wordWrap="CJK")
_RIGHT = ParagraphStyle("right", parent=_BODY, alignment=TA_RIGHT)
_TITLE = ParagraphStyle("title", parent=_BODY, fontSize=18, leading=24)


def _paragraph(text: str, style: ParagraphStyle = _BODY) -> Paragraph:
    """Text in fonts that have its characters; nothing in it is taken for markup."""
    own = _characters()
    runs = groupby(text, lambda character: ord(character) in own)
    return Paragraph("".join(_marked("".join(run), is_own) for is_own, run in runs), style)


def _marked(text: str, is_own: bool) -> str:
    return escape(text) if is_own else f'<font name="{_EAST_ASIAN}">{escape(text)}</font>'


def _figure(value: Decimal) -> str:
    """A quantity or a percentage without zeros that say nothing."""
    return f"{value.normalize():f}"


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount.quantize(minor_unit(currency)):,f}"


def render(quote: Quote, parties: Parties) -> bytes:
    """The quote as a PDF of A4 pages."""
    written = io.BytesIO()
    document = SimpleDocTemplate(
        written,
        pagesize=A4,
        leftMargin=14 * mm,
        rightMargin=14 * mm,
        topMargin=18 * mm,
        bottomMargin=18 * mm,
        title=f"Quote {quote.number}",
        author=parties.seller or "",
    )
    parts: list[Flowable] = [_paragraph(f"Quote {quote.number}", _TITLE), Spacer(0, 4 * mm)]
    parts += [_paragraph(f"{name}: {value}") for name, value in _facts(quote, parties)]
    parts += [Spacer(0, 6 * mm), _lines_table(quote), Spacer(0, 4 * mm), _totals_table(quote)]
    if quote.terms:
        parts += [Spacer(0, 8 * mm), *(_paragraph(line) for line in quote.terms.splitlines())]
    document.build(parts)
    return written.getvalue()


def _facts(quote: Quote, parties: Parties) -> Sequence[tuple[str, str]]:
    facts = (
        ("For", parties.customer),
        ("Attention", parties.attention),
        ("From", parties.seller),
        ("Version", str(quote.version_number)),
        ("Valid until", quote.valid_until.isoformat()),
        ("Status", None if quote.status == "sent" else quote.status),
    )
    return [(name, value) for name, value in facts if value]


def _lines_table(quote: Quote) -> Table:
    head = [_paragraph(name, _BODY if name == "Item" else _RIGHT) for name, _ in _COLUMNS]
    rows = [head, *(_line_cells(line, quote.currency) for line in quote.lines)]
    table = Table(rows, colWidths=[width * mm for _, width in _COLUMNS], repeatRows=1)
    table.setStyle(
        TableStyle(
            [
                ("LINEBELOW", (0, 0), (-1, 0), 0.8, colors.black),
                ("LINEBELOW", (0, 1), (-1, -1), 0.2, colors.grey),
                ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ]
        )
    )
    return table


def _line_cells(line: QuoteLine, currency: str) -> list[Paragraph]:
    return [
        _paragraph(line.product_name),
        _paragraph(_figure(line.quantity), _RIGHT),
        _paragraph(f"{line.unit_price.normalize():,f}", _RIGHT),
        _paragraph(f"{_figure(line.discount_percent)} %" if line.discount_percent else "", _RIGHT),
        _paragraph(f"{_figure(line.tax_rate)} %" if line.tax_rate else "", _RIGHT),
        _paragraph(_money(line.total, currency), _RIGHT),
    ]


def _totals_table(quote: Quote) -> Table:
    figures = [("Subtotal", quote.subtotal)]
    if quote.discount:
        figures.append(("Discount", -quote.discount))
    figures += [("Tax", quote.tax), (f"Total {quote.currency}", quote.total)]
    rows = [
        [_paragraph(name, _RIGHT), _paragraph(_money(amount, quote.currency), _RIGHT)]
        for name, amount in figures
    ]
    return Table(rows, colWidths=[142 * mm, 40 * mm])
