"""What a page links to is there."""

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[2]
PATTERNS = (
    "README.md",
    "bench/README.md",
    "clients/*/README.md",
    "deploy/**/README.md",
    "docs/**/*.md",
    "gateway/README.md",
    "services/*/README.md",
    "shared/**/README.md",
)
PAGES = sorted({page for pattern in PATTERNS for page in ROOT.glob(pattern)})

_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"`[^`\n]*`")
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)


def links(page: Path) -> Iterator[str]:
    """The relative links of a page; those in code are none."""
    text = _CODE.sub("", _FENCE.sub("", page.read_text("utf-8")))
    yield from (each for each in _LINK.findall(text) if not re.match(r"[a-z]+:", each))


def anchors(page: Path) -> set[str]:
    """What links may end in, as those who show Markdown make it of headings."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(text))
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    astray = []
    for link in links(page):
        path, _, anchor = unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            astray.append(link)
    assert astray == []


def test_the_pages_for_operators_are_in_their_index() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for link in links(index)}
    assert {page for page in (ROOT / "docs").glob("*.md") if page != index} <= listed
