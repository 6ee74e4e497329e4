"""What of a customer the index of the search holds, and what of it a query asks for.

A text is cut into *terms*: each three neighbouring characters of an alphabet; each one and each two
where there are ideographs; the first one to three characters of each word and of the whole; and the
whole. Of a telephone number they are each four digits, and the whole. By its terms the index finds
the rows that may hold a text, and the text itself, beside them in the row, says which do.

A term is kept as a hash, so that one index of integers serves every script under every locale.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from crm_customer.search.folding import (
    IDEOGRAPHS,
    LEAST_DIGITS,
    LINE,
    WORD,
    is_letter,
    marked,
    word_starts,
)

_WHOLE, _START, _WORD, _PHONE, _TAG = "=", "^", "_", "+", "#"
"""What a term of this kind begins with."""
_SIGN = 1 << 31
_BLOCK = 128
_MOST_TERMS = 12


def terms_of(texts: Iterable[str], phones: Iterable[str], tags: Iterable[str]) -> list[int]:
    """The terms of one customer.

    :param texts: folded names and addresses.
    :param phones: the digits of telephone numbers.
    :param tags: their keys.
    """
    found = {_TAG + tag for tag in tags}
    for text in texts:
        found.add(_WHOLE + text)
        for place in word_starts(text):
            mark, begun = _WORD if place else _START, text[place : place + 3]
            found.update((mark + begun[:1], mark + begun[:2], mark + begun))
        if text.isascii():
            found.update([text[place : place + 3] for place in range(len(text) - 2)])
        else:
            found.update([character for character in text if character >= IDEOGRAPHS])
            found.update([term for _, term in _placed(text)])
    for digits in phones:
        found.add(_WHOLE + _PHONE + digits)
        found.update(_digit_groups(digits))
    return _numbers(found)


def _placed(text: str) -> Iterator[tuple[int, str]]:
    """The terms of two and of three characters, by where they begin."""
    for place in range(len(text) - 1):
        three = text[place : place + 3]
        if max(three[:2]) >= IDEOGRAPHS:
            yield place, three[:2]
        elif len(three) == 3 and three[2] < IDEOGRAPHS:
            yield place, three


def _digit_groups(digits: str) -> list[str]:
    size = LEAST_DIGITS
    return [_PHONE + digits[place : place + size] for place in range(len(digits) - size + 1)]


def _numbers(terms: Iterable[str]) -> list[int]:
    return [crc32(term.encode()) - _SIGN for term in terms]


@dataclass(frozen=True, slots=True)
class Probe:
    """What to look for in the rows' terms, and then in their lines.

    :ivar terms: a row that is sought has all of them or, where ``any_of``, one of them.
    :ivar needle: is in the lines of every row that is sought, and of no other one.
    """

    terms: Sequence[int]
    needle: str
    any_of: bool = False


def whole(text: str) -> Probe:
    """A text that is exactly this."""
    return Probe(_numbers([_WHOLE + text]), f"{LINE}{marked(text)}{LINE}")


def start(text: str) -> Probe:
    """A text that begins with this."""
    return Probe(_numbers([_START + text[:3], *_covering(text, 3)]), LINE + marked(text))


def word(text: str) -> Probe:
    """A text with a word, not the first one, that begins with this."""
    return Probe(_numbers([_WORD + text[:3], *_covering(text, 3)]), marked(text))


def inside(text: str) -> Probe:
    """A text with this anywhere in it; a single letter of an alphabet begins a word."""
    needle = marked(text).removeprefix(WORD)
    if is_letter(text):
        return Probe(_numbers([_START + text, _WORD + text]), WORD + needle, any_of=True)
    if len(text) == 2 and max(text) < IDEOGRAPHS:
        around = [_START + text, _WORD + text, *_threes_ending_in(text)]
        return Probe(_numbers(around), needle, any_of=True)
    return Probe(_numbers(_covering(text)), needle)


def whole_number(digits: str) -> Probe:
    """A telephone number that is exactly this."""
    return Probe(_numbers([_WHOLE + _PHONE + digits]), f"{LINE}{digits}{LINE}")


def inside_number(digits: str) -> Probe:
    """A telephone number with these digits in it, of which there are enough to look for."""
    groups = _digit_groups(digits)
    return Probe(_numbers({*groups[::LEAST_DIGITS], groups[-1]}), digits)


def tagged(tag: str) -> Probe:
    """A tag with this key."""
    return Probe(_numbers([_TAG + tag]), f"{LINE}{tag}{LINE}")


def _covering(text: str, start: int = 0) -> list[str]:
    """Terms of everyone who has this text: few, for each costs, but all of it from ``start`` on."""
    if len(text) == 1:
        return [] if start else [text]
    chosen = []
    end, term = start, ""
    for place, term in _placed(text):
        if place >= end:
            chosen.append(term)
            end = place + len(term)
    if end < len(text) and term:
        chosen.append(term)
    return chosen[:_MOST_TERMS]


def _threes_ending_in(two: str) -> Iterator[str]:
    """What two letters are the end of, wherever else than at the start of a text they stand."""
    block = ord(two[0]) // _BLOCK * _BLOCK
    for code in (*range(_BLOCK), *range(block, block + _BLOCK if block else 0)):
        yield chr(code) + two
