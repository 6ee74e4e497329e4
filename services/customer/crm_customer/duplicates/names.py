"""Names as they are compared: what is left when case, width, accents, order and forms are gone.

Chinese characters are compared as they stand and by their sound (pypinyin), so that a homophone
typed by mistake and the same name in Latin letters are found.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from crm_customer.duplicates.vocabulary import (
    DOUBLE_SURNAMES,
    HAN_FORMS,
    HAN_TITLES,
    LEGAL_FORMS,
    REGION,
    SPLIT_FORMS,
    TITLES,
)

# Characters are read one by one here, so its 40 MB of phrases would never be looked at.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
from pypinyin import lazy_pinyin  # it reads the setting above when it is imported

_UNDECOMPOSED = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "æ": "ae", "œ": "oe"})
_WORD = re.compile(r"[^\W_]+")
_HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+")
_HAN_OR_NOT = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]+|[^\u3400-\u9fff\uf900-\ufaff]+")


def folded(text: str) -> str:
    """Without the differences of width, case and accents."""
    wide = unicodedata.normalize("NFKC", text).casefold()
    if wide.isascii():
        return wide
    parts = unicodedata.normalize("NFKD", wide)
    bare = "".join(each for each in parts if not unicodedata.combining(each))
    return bare.translate(_UNDECOMPOSED)


def words(text: str) -> list[str]:
    """The folded words of a text; Chinese and other writing next to each other are two."""
    return [
        part
        for word in _WORD.findall(folded(text))
        for part in (_HAN_OR_NOT.findall(word) if not word.isascii() else [word])
    ]


@lru_cache(20_000)
def _syllable(character: str) -> str:
    return lazy_pinyin(character)[0]


def sound(text: str) -> str:
    """Chinese characters as pinyin without tones; everything else as it is."""
    return text if text.isascii() else "".join(map(_syllable, text))


@dataclass(frozen=True, slots=True)
class PersonName:
    """A person's name.

    :ivar parts: by sound: surname and given names, in the order they were written.
    :ivar han: its Chinese characters, empty when it has other letters.
    """

    parts: tuple[str, ...]
    han: str

    @property
    def compact(self) -> str:
        return "".join(self.parts)

    @property
    def key(self) -> str:
        """Equal for names that differ in the order or the splitting of their parts."""
        return "".join(sorted(self.compact))


@lru_cache(50_000)
def person_name(text: str) -> PersonName:
    """Read a person's name, without titles."""
    found = [word for word in words(text) if word not in TITLES] or words(text)
    if not found or not all(map(_HAN.fullmatch, found)):
        return PersonName(tuple(map(sound, found)), "")
    if len(found) > 1:
        return PersonName(tuple(map(sound, found)), "".join(found))
    (name,) = found
    name = HAN_TITLES.sub("", name) or name
    cut = 2 if len(name) > 2 and name[:2] in DOUBLE_SURNAMES else 1
    parts = tuple(sound(part) for part in (name[:cut], name[cut:]) if part)
    return PersonName(parts, name)


@dataclass(frozen=True, slots=True)
class CompanyName:
    """A company's name.

    :ivar words: without legal form and region.
    :ivar region: the Chinese province or city it begins with or has in brackets, else empty.
    :ivar numbers: what tells one branch from the next.
    """

    words: tuple[str, ...]
    region: str
    numbers: frozenset[str]

    @property
    def compact(self) -> str:
        return "".join(self.words)

    @property
    def key(self) -> str:
        """Equal for names that differ in the order of their words, by sound."""
        return "".join(sorted(map(sound, self.words)))


@lru_cache(50_000)
def company_name(text: str) -> CompanyName:
    """Read a company's name."""
    found = [
        part
        for word in words(SPLIT_FORMS.sub(" ", folded(text)))
        if (part := HAN_FORMS.sub("", word)) and part not in LEGAL_FORMS
    ] or words(text)
    region, kept = "", []
    for word in found:
        match = REGION.match(word)
        if match and not region:
            region, word = match[1], word[match.end() :]
        if word:
            kept.append(word)
    if not kept:  # it is named after the region alone
        region, kept = "", found
    numbers = frozenset(word for word in kept if word.isdigit())
    return CompanyName(tuple(kept), region, numbers)
