"""Pages put together are the list, each row once; what is masked cannot be found out by asking."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from notes_service import Note
from sqlalchemy import delete, select

from crm_chassis.testing_harness import Caller, Harness, problem_fields

SORTS = ("title", "price", "rank", "day", "remind_at")
FIRST_DAY = date(2026, 1, 1)

# Few different values, so that ties are the rule.
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "title": st.sampled_from(["a", "b", "B", "é", "李", "a b", "_%"]),
            "price": st.sampled_from(["-1.5", "0", "0.0001", "99999999999999.9999"]).map(Decimal),
            "rank": st.integers(0, 3),
            "day": st.integers(0, 2).map(lambda days: FIRST_DAY + timedelta(days)),
            "remind_at": st.integers(0, 2).map(
                lambda n: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(microseconds=n)
            ),
        }
    ),
    max_size=12,
)


ROW = {
    "title": "a",
    "price": Decimal("1.5"),
    "rank": 1,
    "day": FIRST_DAY,
    "remind_at": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.fixture(scope="module")
def kept(kept_notes: Harness) -> Harness:
    """One service for all the examples of a property."""
    return kept_notes


def store(service: Harness, rows: list[dict[str, Any]]) -> None:
    with service.service.database.transaction() as session:
        session.execute(delete(Note))
        session.add_all(Note(**row) for row in rows)


def walk(caller: Caller, query: str) -> Iterator[dict[str, Any]]:
    """The answers of a list, page by page."""
    cursor = ""
    while True:
        answer = caller.get(f"/v1/notes?{query}{cursor}")
        assert answer.status_code == 200, answer.json
        yield answer.json
        if answer.json["next_cursor"] is None:
            return
        cursor = f"&cursor={answer.json['next_cursor']}"


def in_order(service: Harness, sort: str) -> list[str]:
    """Ids as the database itself sorts all rows at once."""
    column = getattr(Note, sort.lstrip("-"))
    order = (column.desc(), Note.id.desc()) if sort.startswith("-") else (column, Note.id)
    with service.service.database.reading() as session:
        return list(session.scalars(select(Note.id).order_by(*order)))


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    rows=ROWS,
    sort=st.sampled_from([sign + name for name in SORTS for sign in ("", "-")]),
    limit=st.integers(1, 5),
)
def test_pages_put_together_are_the_sorted_list(kept, rows, sort, limit):
    store(kept, rows)
    pages = list(walk(kept.as_user(), f"sort={sort}&limit={limit}"))
    assert [item["id"] for page in pages for item in page["items"]] == in_order(kept, sort)
    assert all(len(page["items"]) == limit for page in pages[:-1])
    assert len(pages) == max(1, -(-len(rows) // limit))


def test_rows_that_come_meanwhile_neither_repeat_nor_hide_others(kept):
    store(kept, [{**ROW, "title": title} for title in "bdfh"])
    pages = walk(kept.as_user(), "limit=2")
    first = [item["title"] for item in next(pages)["items"]]
    with kept.service.database.transaction() as session:
        session.add_all(Note(**{**ROW, "title": title}) for title in "ag")
    rest = [item["title"] for page in pages for item in page["items"]]
    assert first + rest == ["b", "d", "f", "g", "h"]


def forged(*parts: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


class TestCursors:
    KEY = "0193a000-0000-7000-8000-000000000001"

    @pytest.fixture(autouse=True)
    def _rows(self, kept):
        store(kept, [{**ROW, "title": title} for title in "abc"])

    @pytest.mark.parametrize("other", ["-title", "rank", "price"])
    def test_a_cursor_of_another_sort_is_refused(self, kept, other):
        cursor = kept.as_user().get("/v1/notes?limit=1&sort=title").json["next_cursor"]
        answer = kept.as_user().get(f"/v1/notes?sort={other}&cursor={cursor}")
        assert answer.status_code == 422
        assert problem_fields(answer) == ["cursor"]

    @pytest.mark.parametrize(
        ("sort", "cursor"),
        [
            ("title", "é"),
            ("title", "AAAA"),
            ("title", forged("title")),
            ("title", forged("title", None, KEY)),
            ("title", forged("title", ["a"], KEY)),
            ("title", forged("title", "a\0", KEY)),
            ("title", forged("title", "a", "no id")),
            ("title", forged("title", "a", None)),
            ("rank", forged("rank", "x", KEY)),
            ("rank", forged("rank", 1e300, KEY)),
            ("price", forged("price", "NaN", KEY)),
            ("price", forged("price", "-Infinity", KEY)),
            ("price", forged("price", [], KEY)),
            ("day", forged("day", "2026-13-01", KEY)),
            ("day", forged("day", 7, KEY)),
            ("remind_at", forged("remind_at", "2026-01-01T00:00:00", KEY)),
            ("remind_at", forged("remind_at", "0001-01-01T00:00:00+08:00", KEY)),
        ],
        ids=repr,
    )
    def test_a_forged_cursor_is_refused(self, kept, sort, cursor):
        answer = kept.as_user().get("/v1/notes", query_string={"sort": sort, "cursor": cursor})
        assert answer.status_code == 422, answer.data


class TestFilters:
    @pytest.fixture(autouse=True)
    def _rows(self, kept):
        store(
            kept,
            [
                {**ROW, "title": "100% wool", "rank": 1, "phone": "+8613800138000"},
                {**ROW, "title": "a_b", "rank": 2, "phone": None},
                {**ROW, "title": "李雷 Müller", "rank": 3, "phone": "+493012345678"},
            ],
        )

    @pytest.mark.parametrize(
        ("query", "titles"),
        [
            ({"title": "a_b"}, ["a_b"]),
            ({"title": ["a_b", "100% wool"]}, ["100% wool", "a_b"]),
            ({"title": "a"}, []),
            ({"rank_from": "2"}, ["a_b", "李雷 Müller"]),
            ({"price_from": "1.5"}, ["100% wool", "a_b", "李雷 Müller"]),
            ({"price_from": "1.5001"}, []),
            ({"q": "%"}, ["100% wool"]),
            ({"q": "_"}, ["a_b"]),
            ({"q": "WOOL"}, ["100% wool"]),
            ({"q": "李"}, ["李雷 Müller"]),
            ({"q": "Müller"}, ["李雷 Müller"]),
            ({"q": "12345678"}, ["李雷 Müller"]),
            ({"q": "wool", "rank_from": "2"}, []),
        ],
    )
    def test_a_filter_leaves_what_it_says(self, kept, query, titles):
        answer = kept.as_user().get("/v1/notes", query_string=query)
        assert [item["title"] for item in answer.json["items"]] == titles


def test_search_ignores_case_beyond_ascii_on_sqlite_too(make_service):
    service = make_service("notes")
    store(service, [{**ROW, "title": "Müller & Söhne"}])
    answer = service.as_user().get("/v1/notes", query_string={"q": "MÜLLER & SÖHNE"})
    assert len(answer.json["items"]) == 1


class TestMasks:
    """A phone is masked for those without the right to it, wherever they look."""

    PHONE = "+8613800138000"

    @pytest.fixture
    def note(self, kept) -> str:
        store(kept, [{**ROW, "phone": self.PHONE}, {**ROW, "phone": None}])
        with kept.service.database.reading() as session:
            return session.scalar(select(Note.id).where(Note.phone == self.PHONE))

    @pytest.fixture
    def reader(self, kept) -> Caller:
        return kept.as_user({"notes.notes.read": "all", "notes.notes.write": "all"})

    def test_in_detail_list_export_and_the_answer_to_a_change(self, kept, note, reader):
        path = f"/v1/notes/{note}"
        assert reader.get(path).json["phone"] == "****8000"
        phones = [item["phone"] for item in reader.get("/v1/notes").json["items"]]
        assert sorted(map(str, phones)) == ["****8000", "None"]
        rows = list(csv.DictReader(io.StringIO(reader.get("/v1/exports/notes").text)))
        assert sorted(row["phone"] for row in rows) == ["", "****8000"]
        changed = reader.patch(path, json={"rank": 7}, headers={"If-Match": '"1"'})
        assert changed.json["phone"] == "****8000"
        assert kept.as_user({"notes.notes.*": "all"}).get(path).json["phone"] == self.PHONE

    def test_it_cannot_be_searched_filtered_or_sorted_by(self, kept, note, reader):
        assert reader.get("/v1/notes?q=13800138").json["items"] == []
        for path in ("/v1/notes", "/v1/exports/notes"):
            query = {"phone": self.PHONE}
            assert reader.get(path, query_string=query).status_code == 403
            assert kept.as_user().get(path, query_string=query).status_code == 200
        assert "13800138" not in reader.get("/v1/exports/notes?q=13800138").text
        assert reader.get("/v1/notes?sort=phone").status_code == 422


def test_an_export_is_the_whole_list_with_the_same_filters(kept):
    store(kept, [{**ROW, "title": f"{n:04}", "rank": n % 2} for n in range(1_200)])
    answer = kept.as_user().get("/v1/exports/notes?rank_from=1")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 600
    assert {row["rank"] for row in rows} == {"1"}
    assert answer.content_type == "text/csv; charset=utf-8"
