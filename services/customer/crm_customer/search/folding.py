"""Texts and telephone numbers as they are compared, and as rows keep them for that."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

IDEOGRAPHS = "\u2e80"
"""From here on characters are, broadly, syllables or words, and no spaces are set between them."""
WORD = "\x1f"
"""Stands before each word of a line."""
LINE = "\n"
"""Stands before and after each line."""

_LATIN_ENDS = "\u0250"
LEAST_DIGITS = 4
"""Of a telephone number that is looked for."""
_RUN = re.compile(rf"[^\W_{IDEOGRAPHS}-\U0010ffff]+|[^\W\x00-\u2e7f]+")
_NUMBER_SIGNS = frozenset("0123456789+-()./ ")


def folded(text: str) -> str:
    """A text without case, width, accents of Latin letters and doubled blanks."""
    if not text.isascii():
        text = "".join(map(_folded_character, text))
    return " ".join(text.casefold().split())


@lru_cache(maxsize=50_000)
def _folded_character(character: str) -> str:
    parts = unicodedata.normalize("NFKD", character)
    if parts[0] < _LATIN_ENDS:
        return "".join(part for part in parts if not unicodedata.combining(part))
    return unicodedata.normalize("NFKC", character)


def unfolded(text: str, place: int, length: int) -> tuple[int, int]:
    """From which character to which one of a text stands what is at ``place`` when it is folded."""
    sources = []
    before = " "
    for source, character in enumerate(text):
        for part in _folded_character(character).casefold():
            if not (part.isspace() and before.isspace()):
                sources.append(source)
            before = part
    return sources[place], sources[place + length - 1] + 1


def digits_of(phone: str) -> str:
    """The digits of a telephone number without zeros before: 0571 555 is +86 571 555 abroad."""
    return "".join(filter(str.isdecimal, phone)).lstrip("0")


def unfolded_digits(phone: str, place: int, length: int) -> tuple[int, int]:
    """From which character to which one of a telephone number some of its digits stand."""
    places = [source for source, character in enumerate(phone) if character.isdecimal()]
    places = places[len(places) - len(digits_of(phone)) :]
    return places[place], places[place + length - 1] + 1


def number_in(query: str) -> str:
    """The digits of a query that may be part of a telephone number; empty when it may not."""
    if not set(query) <= _NUMBER_SIGNS:
        return ""
    abroad, typed = digits_of(query), "".join(filter(str.isdecimal, query))
    # The zeros before may be those of a long-distance call, or part of the last four digits.
    return next((digits for digits in (abroad, typed) if len(digits) >= LEAST_DIGITS), "")


def is_letter(text: str) -> bool:
    """True of one character that is no ideograph."""
    return len(text) == 1 and text < IDEOGRAPHS


def word_starts(text: str) -> list[int]:
    """Where words begin: runs of letters and digits, or of ideographs; the first one at once."""
    starts = [run.start() for run in _RUN.finditer(text)]
    return starts if starts[:1] == [0] else [0, *starts]


def marked(text: str) -> str:
    """A folded text with a mark before each word."""
    with_marks = _RUN.sub(rf"{WORD}\g<0>", text)
    return with_marks if with_marks[:1] == WORD else WORD + with_marks


def lines(texts: Iterable[str]) -> str:
    """Folded texts as a row keeps them."""
    return "".join([LINE, *(marked(text) + LINE for text in texts)])


def digit_lines(phones: Iterable[str]) -> str:
    """The digits of telephone numbers as a row keeps them."""
    return "".join([LINE, *(digits + LINE for digits in phones)])
