"""How close a text is to what was looked for."""

from __future__ import annotations

from enum import IntEnum

from crm_customer.search.folding import WORD, is_letter, marked


class Closeness(IntEnum):
    """How a text holds another one, closest first."""

    WHOLE = 0
    START = 1
    WORD = 2
    INSIDE = 3


Held = tuple[Closeness, int] | None
"""How a line holds what is sought, and at which character of its text; None when it does not."""


class Sought:
    """A folded text that is looked for in the lines of rows."""

    def __init__(self, text: str) -> None:
        self.length = len(text)
        self._marked = marked(text)
        self._inside = self._marked.removeprefix(WORD)
        self._is_letter = is_letter(text)

    def held_by(self, line: str) -> Held:
        place = line.find(self._inside)
        if place < 0:
            return None
        if line.startswith(self._marked):
            return Closeness.WHOLE if line == self._marked else Closeness.START, 0
        if (word := line.find(self._marked)) >= 0:
            return Closeness.WORD, word - line.count(WORD, 0, word)
        if self._is_letter:
            return None
        return Closeness.INSIDE, place - line.count(WORD, 0, place)


def held_by_digits(line: str, digits: str) -> Held:
    """The same of the digits of telephone numbers."""
    place = line.find(digits)
    if place < 0:
        return None
    if place:
        return Closeness.INSIDE, place
    return Closeness.WHOLE if line == digits else Closeness.START, 0


def length_of(line: str) -> int:
    """Characters of a line's text."""
    return len(line) - line.count(WORD)
