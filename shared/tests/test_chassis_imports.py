"""A file is taken in whole, row by row, once; what is wrong with it is told by row and column."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from marshmallow import validates
from notes_service import CHANGED, IMPORTER, WRITTEN, Note, NoteRow
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError

from crm_chassis.imports import jobs
from crm_chassis.imports.files import XLSX
from crm_chassis.imports.jobs import CHUNK_ROWS, import_jobs
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Harness, peak_memory, problem_fields
from crm_chassis.xlsx_writer import workbook

COLUMNS = {"Key": "external_id", "Title": "title", "Rank": "rank"}
HEADER = "Key,Title,Rank\n"


class Job:
    """An import of notes."""

    def __init__(self, service: Harness, **settings: Any) -> None:
        self._service = service
        self.user = service.as_user()
        body = {"resource": "notes", "columns": COLUMNS, **settings}
        answer = self.user.post("/v1/imports", json=body)
        assert answer.status_code == 201, answer.json
        self.path = f"/v1/imports/{answer.json['id']}"

    def upload(
        self, content: str | bytes, status: int = 202, content_type: str | None = None
    ) -> Any:
        data = content.encode() if isinstance(content, str) else content
        answer = self.user.put(
            f"{self.path}/content",
            input_stream=io.BytesIO(data),
            content_length=len(data),
            content_type=content_type,
        )
        assert answer.status_code == status, answer.json
        return answer

    def run(self) -> dict[str, Any]:
        """Apply all of it; the job's state at the end."""
        runner = runner_of(self._service)
        while runner.step():
            pass
        return self.state()

    def state(self) -> dict[str, Any]:
        return self.user.get(self.path).json

    def errors(self) -> list[dict[str, Any]]:
        return self.user.get(f"{self.path}/errors").json["items"]


def runner_of(service: Harness) -> ImportRunner:
    """A runner as a worker makes it."""
    return ImportRunner("notes", service.service.database, [IMPORTER])


def counts(state: dict[str, Any]) -> tuple[int, int, int, int]:
    return state["created"], state["changed"], state["unchanged"], state["failed"]


def stored(service: Harness) -> dict[str, str]:
    with service.service.database.reading() as session:
        return dict(session.execute(select(Note.external_id, Note.title)).tuples().all())


def workbook_of(header: list[str], *lines: list[Any]) -> bytes:
    return b"".join(workbook(header, lines))


def rows(number: int, first: int = 0) -> str:
    return "".join(f"k{n},title {n},{n}\n" for n in range(first, first + number))


class TestApplying:
    def test_rows_become_notes_and_events(self, notes):
        job = Job(notes)
        job.upload(HEADER + rows(3))
        state = job.run()
        assert (state["state"], state["rows_total"], state["rows_done"]) == ("done", 3, 3)
        assert counts(state) == (3, 0, 0, 0)
        assert stored(notes) == {"k0": "title 0", "k1": "title 1", "k2": "title 2"}
        events = notes.published(WRITTEN)
        assert len(events) == 3
        assert {event.actor for event in events} == {job.user.id}
        assert {event.correlationid for event in events} == {job.path.rpartition("/")[2]}

    def test_a_second_run_changes_nothing(self, notes):
        for expected in ((3, 0, 0, 0), (0, 0, 3, 0)):
            job = Job(notes)
            job.upload(HEADER + rows(3))
            assert counts(job.run()) == expected
        assert len(notes.published()) == 3

    def test_an_upsert_changes_what_is_different(self, notes):
        for content in (HEADER + rows(3), HEADER + "k1,other,1\nk3,new,3\nk0,title 0,0\n"):
            job = Job(notes)
            job.upload(content)
            state = job.run()
        assert counts(state) == (1, 1, 1, 0)
        assert [event.data["title"] for event in notes.published(CHANGED)] == ["other"]

    def test_a_key_twice_in_a_file_is_one_note(self, notes):
        job = Job(notes)
        job.upload(HEADER + "k1,first,1\nk1,second,1\n")
        assert counts(job.run()) == (1, 1, 0, 0)
        assert stored(notes) == {"k1": "second"}

    def test_constants_and_aliases(self, notes):
        job = Job(
            notes,
            columns={"Key": ["external_id", "title"]},
            constants={"rank": "7"},
            values={"title": {"GTXPro": "GTX Pro"}},
        )
        job.upload("Key\nGTXPro\nother\n")
        assert counts(job.run()) == (2, 0, 0, 0)
        assert stored(notes) == {"GTXPro": "GTX Pro", "other": "other"}

    def test_a_dry_run_counts_and_keeps_nothing(self, notes):
        job = Job(notes, dry_run=True)
        job.upload(HEADER + rows(2) + "k9,,9\n")
        assert counts(job.run()) == (2, 0, 0, 1)
        assert stored(notes) == {}
        assert notes.published() == []
        assert len(job.errors()) == 1


class TestFiles:
    @pytest.mark.parametrize(
        ("content", "found"),
        [
            pytest.param("\ufeffKey,Title,Rank\nk1,a,1\n", {"k1": "a"}, id="byte order mark"),
            pytest.param("Key,Title,Rank\r\nk1,a,1\r\n", {"k1": "a"}, id="CRLF"),
            pytest.param("Key,Title,Rank\nk1,a,1", {"k1": "a"}, id="no newline at the end"),
            pytest.param('Key,Title,Rank\nk1,"a\nb",1\n', {"k1": "a\nb"}, id="quoted newline"),
            pytest.param('Key,Title,Rank\nk1,"a,""b""",1\n', {"k1": 'a,"b"'}, id="quotes"),
            pytest.param("Key,Title,Rank\nk1,李雷,1\n", {"k1": "李雷"}, id="Chinese"),
            pytest.param("Key,Title,Rank\n\nk1,a,1\n\n", {"k1": "a"}, id="blank lines"),
            pytest.param("Rank,Extra,Title,Key\n1,x,a,k1\n", {"k1": "a"}, id="other order"),
            pytest.param("Key,Title,Rank\n k1 , a ,\n", {"k1": "a"}, id="blanks"),
            pytest.param("Key,Title,Rank\nk1,a\n", {"k1": "a"}, id="fewer cells"),
            pytest.param("Key,Title,Rank\n", {}, id="header only"),
        ],
    )
    def test_what_a_file_may_look_like(self, notes, content, found):
        job = Job(notes)
        job.upload(content)
        state = job.run()
        assert (state["state"], state["failed"]) == ("done", 0)
        assert state["rows_total"] == state["rows_done"] == len(found)
        assert stored(notes) == found

    @pytest.mark.parametrize(
        ("content", "field"),
        [
            pytest.param(b"", "Key", id="empty"),
            pytest.param(b"Key;Title;Rank\nk1;a;1\n", "Key", id="semicolons"),
            pytest.param(b"Key,Title\nk1,a\n", "Rank", id="missing column"),
            pytest.param(b"Key,Title,Rank,Rank\nk1,a,1,1\n", "header", id="column twice"),
            pytest.param(b"Key,Title,Rank\nk1,a,1,2\n", "row 2", id="more cells than the header"),
            pytest.param(b"Key,Title,Rank\nk1,\xff\xfe,1\n", "file", id="not UTF-8"),
            pytest.param("Key,Title,Rank\nk1,a,1\n".encode("utf-16"), "file", id="UTF-16"),
            pytest.param(b"Key,Title,Rank\nk1,a\0b,1\n", "row 2", id="NUL"),
            pytest.param(b"Key,Title,Rank,\0\nk1,a,1,\n", "header", id="NUL in the header"),
            pytest.param(b'Key,Title,Rank\nk1,"a,1\n', "row 2", id="open quote"),
            pytest.param(
                b"Key,Title,Rank\nk1," + b"x" * 200_000 + b",1\n", "row 2", id="huge cell"
            ),
            pytest.param(b"PK\x03\x04\x14\x00\x06\x00", "header", id="a spreadsheet"),
        ],
    )
    def test_a_bad_file_is_refused_and_a_good_one_can_follow(self, notes, content, field):
        job = Job(notes)
        answer = job.upload(content, status=422)
        assert field in problem_fields(answer)
        assert job.state()["state"] == "uploading"
        job.upload(HEADER + rows(2))
        assert counts(job.run()) == (2, 0, 0, 0)
        assert job.errors() == []

    def test_a_bad_byte_after_many_good_rows_leaves_nothing_behind(self, notes):
        job = Job(notes)
        job.upload((HEADER + rows(CHUNK_ROWS + 10)).encode() + b"\xff\n", status=422)
        job.upload(HEADER + rows(1))
        state = job.run()
        assert (state["rows_total"], counts(state)) == (1, (1, 0, 0, 0))

    def test_a_file_that_was_taken_is_not_taken_again(self, notes):
        job = Job(notes)
        job.upload(HEADER + rows(1))
        assert job.upload(HEADER + rows(2), status=409).json["detail"]
        job.run()
        job.upload(HEADER + rows(2), status=409)
        assert stored(notes) == {"k0": "title 0"}

    def test_of_two_files_sent_at_once_the_later_one_is_taken_whole(self, notes):
        """The second one arrives while the first is being read."""
        job = Job(notes)

        class Interrupted(io.BytesIO):
            later_sent = False

            def readinto(self, buffer: Any) -> int:
                if self.tell() > 0 and not self.later_sent:
                    self.later_sent = True
                    job.upload(HEADER + rows(3, first=50_000))
                return super().readinto(buffer)

        earlier = (HEADER + rows(CHUNK_ROWS * 30)).encode()
        answer = job.user.put(
            f"{job.path}/content",
            input_stream=Interrupted(earlier),
            content_length=len(earlier),
            content_type="text/csv",
        )
        assert answer.status_code == 409
        state = job.run()
        assert (state["rows_total"], counts(state)) == (3, (3, 0, 0, 0))
        assert set(stored(notes)) == {"k50000", "k50001", "k50002"}

    def test_a_body_larger_than_other_requests_may_be(self, notes):
        job = Job(notes)
        filler = "x" * 50_000
        content = "Key,Title,Rank,Filler\n" + "".join(f"k{n},a,1,{filler}\n" for n in range(120))
        job.upload(content)
        assert job.state()["rows_total"] == 120

    def test_a_row_without_end_is_refused_before_it_is_read_whole(self, notes):
        job = Job(notes)
        content = b"Key,Title,Rank\n" + b'"a\nb",' * 5_000_000
        with peak_memory() as peak:
            answer = job.upload(content, status=422)
            assert peak() < len(content)
        assert problem_fields(answer) == ["row 2"]

    def test_long_rows_are_not_held_in_memory_all_at_once(self, notes):
        job = Job(notes)
        content = HEADER + "".join(f"k{n},{n:090000},1\n" for n in range(600))
        with peak_memory() as peak:
            job.upload(content)
            assert peak() < 2 * len(content)
        assert job.state()["rows_total"] == 600


class TestMappings:
    @pytest.mark.parametrize(
        ("settings", "fields"),
        [
            ({"columns": {"Key": "external_id", "Title": "colour"}}, ["colour"]),
            ({"columns": {"Title": "title"}}, ["external_id"]),
            ({"key": "colour"}, ["key"]),
            ({"key": "rank"}, ["key"]),
            ({"constants": {"colour": "red"}}, ["colour"]),
            ({"values": {"colour": {"a": "b"}}}, ["colour"]),
            ({"resource": "letters"}, ["resource"]),
            ({"columns": {"Key": 7}}, ["columns.Key.value"]),
            ({"surprise": 1}, ["surprise"]),
        ],
        ids=str,
    )
    def test_what_a_mapping_gets_wrong_is_named(self, make_service, settings, fields):
        body = {"resource": "notes", "columns": COLUMNS, **settings}
        answer = make_service("notes").as_user().post("/v1/imports", json=body)
        assert answer.status_code == 422
        assert problem_fields(answer) == fields

    def test_what_cannot_be_stored_is_refused(self, make_service, postgres_url):
        user = make_service("notes", postgres_url).as_user()
        for settings in (
            {"columns": {**COLUMNS, "a\0": "title"}},
            {"constants": {"title": "a\0"}},
            {"values": {"title": {"a\0": "b"}}},
            {"filename": "a\0.csv"},
        ):
            body = {"resource": "notes", "columns": COLUMNS, **settings}
            assert user.post("/v1/imports", json=body).status_code == 422, settings

    def test_it_needs_the_right_to_all_records(self, make_service):
        notes = make_service("notes")
        body = {"resource": "notes", "columns": COLUMNS}
        for grants in ({"notes.notes.read": "all"}, {"notes.notes.*": "team"}):
            assert notes.as_user(grants).post("/v1/imports", json=body).status_code == 403

    def test_a_right_taken_away_before_the_file_is_sent_counts(self, notes):
        job = Job(notes)
        job.user = notes.as_user({"notes.notes.read": "all"}, user_id=job.user.id)
        job.upload(HEADER + rows(1), status=403)
        job.user = notes.as_user({"notes.notes.write": "all"}, user_id=job.user.id)
        job.upload(HEADER + rows(1))

    def test_a_job_is_its_owners_alone(self, make_service):
        notes = make_service("notes")
        job = Job(notes)
        stranger = notes.as_user({"notes.notes.*": "all"})
        assert stranger.get(job.path).status_code == 404
        assert stranger.get(f"{job.path}/errors").status_code == 404
        assert stranger.put(f"{job.path}/content", data=b"x").status_code == 404


class TestBadRows:
    def test_each_cell_that_is_wrong_is_told_and_the_others_go_on(self, notes):
        job = Job(notes)
        job.upload(HEADER + "k1,good,1\nk2,,high\n,no key,3\nk4,short\nk5\nk6,good,6\n")
        state = job.run()
        assert counts(state) == (3, 0, 0, 3)
        assert [(e["row"], e["column"], e["field"], e["value"]) for e in job.errors()] == [
            (3, "Title", "title", ""),
            (3, "Rank", "rank", "high"),
            (4, "Key", "external_id", ""),
            (6, "Title", "title", ""),
        ]
        assert stored(notes) == {"k1": "good", "k4": "short", "k6": "good"}

    def test_a_row_that_breaks_the_database_is_refused_alone(self, notes):
        job = Job(notes)
        job.upload(HEADER + rows(5) + "bad,negative,-1\n" + rows(5, first=5))
        state = job.run()
        assert (state["state"], counts(state)) == ("done", (10, 0, 0, 1))
        (error,) = job.errors()
        assert (error["row"], error["value"]) == (7, "bad")
        assert "bad" not in stored(notes)
        assert len(notes.published()) == 10

    def test_a_row_that_breaks_a_later_chunk_is_refused_alone(self, notes):
        job = Job(notes)
        job.upload(
            HEADER
            + rows(CHUNK_ROWS + 5)
            + "bad,negative,-1\n"
            + rows(CHUNK_ROWS * 2, first=CHUNK_ROWS + 5)
        )
        state = job.run()
        assert (state["state"], counts(state)) == ("done", (CHUNK_ROWS * 3 + 5, 0, 0, 1))
        assert [error["row"] for error in job.errors()] == [CHUNK_ROWS + 7]
        assert len(notes.published()) == len(stored(notes)) == CHUNK_ROWS * 3 + 5

    @pytest.mark.parametrize("place", [2, CHUNK_ROWS + 2])
    def test_a_row_that_breaks_the_validation_is_refused_alone(self, make_service, place):
        class Fragile(NoteRow):
            @validates("title")
            def _break(self, value: str, **_kwargs: Any) -> None:
                if value == f"title {place}":
                    raise RuntimeError("a fault in the schema")

        notes = make_service("notes")
        job = Job(notes)
        job.upload(HEADER + rows(CHUNK_ROWS + 5))
        importer = replace(IMPORTER, schema=Fragile)
        runner = ImportRunner("notes", notes.service.database, [importer])
        while runner.step():
            pass
        assert counts(job.state()) == (CHUNK_ROWS + 4, 0, 0, 1)
        assert [error["row"] for error in job.errors()] == [place + 2]

    def test_the_errors_are_paged_in_the_order_of_rows(self, notes):
        job = Job(notes)
        job.upload(HEADER + "".join(f"k{n},,{n}\n" for n in range(7)))
        job.run()
        found, query = [], "?limit=3"
        while query:
            page = job.user.get(f"{job.path}/errors{query}").json
            found += [item["row"] for item in page["items"]]
            query = f"?limit=3&cursor={page['next_cursor']}" if page["next_cursor"] else ""
        assert found == [2, 3, 4, 5, 6, 7, 8]
        for cursor in ("x", "9" * 40 + ":" + "0" * 36, "1:" + "-" * 36):
            answer = job.user.get(f"{job.path}/errors?cursor={cursor}")
            assert answer.status_code == 422, answer.data


class TestResuming:
    def test_a_runner_that_died_between_chunks_is_taken_over(self, notes):
        job = Job(notes)
        job.upload(HEADER + rows(CHUNK_ROWS + 20))
        assert runner_of(notes).step()
        half = job.state()
        assert (half["state"], half["rows_done"]) == ("running", CHUNK_ROWS)
        assert job.run()["state"] == "done"
        assert counts(job.state()) == (CHUNK_ROWS + 20, 0, 0, 0)
        assert len(notes.published(WRITTEN)) == CHUNK_ROWS + 20
        assert len(stored(notes)) == CHUNK_ROWS + 20

    def test_a_chunk_that_was_cut_off_is_applied_again_from_its_start(self, notes, monkeypatch):
        job = Job(notes)
        job.upload(HEADER + rows(20))
        fault = OperationalError("COMMIT", {}, Exception("the database is away"))

        def cut_off(session: Any) -> None:
            raise fault

        hooks = notes.service.database.before_commit
        hooks.append(cut_off)
        with pytest.raises(OperationalError):
            runner_of(notes).step()
        hooks.remove(cut_off)
        assert (stored(notes), job.state()["rows_done"]) == ({}, 0)
        assert counts(job.run()) == (20, 0, 0, 0)

    def test_two_runners_at_once_apply_each_row_once(self, make_service, postgres_url, at_once):
        notes = make_service("notes", postgres_url)
        jobs = [Job(notes) for _ in range(2)]
        for number, job in enumerate(jobs):
            job.upload(HEADER + rows(CHUNK_ROWS * 2, first=number * 10_000))

        def work() -> None:
            runner = runner_of(notes)
            while any(job.state()["state"] != "done" for job in jobs):
                runner.step()

        assert at_once(work, 3) == [None] * 3
        assert [counts(job.state()) for job in jobs] == [(CHUNK_ROWS * 2, 0, 0, 0)] * 2
        assert len(notes.published(WRITTEN)) == CHUNK_ROWS * 4
        with notes.service.database.reading() as session:
            assert session.scalar(text("SELECT count(*) FROM import_chunks")) == 0


class TestWorkbooks:
    def test_a_workbook_is_taken_like_a_text_file(self, notes):
        rows = [["k1", "明光", 1], ["k2", "=1+1", 2], [], ["k4", 12.5, "high"]]
        job = Job(notes)
        job.upload(workbook_of(["Key", "Title", "Rank"], *rows), content_type=XLSX)
        state = job.run()
        assert counts(state) == (2, 0, 0, 1)
        assert stored(notes) == {"k1": "明光", "k2": "=1+1"}
        (error,) = job.errors()
        assert (error["row"], error["column"], error["value"]) == (5, "Rank", "high")

    def test_its_name_says_what_it_is_where_its_sender_does_not(self, notes):
        job = Job(notes, filename="Notes.XLSX")
        job.upload(workbook_of(["Key", "Title", "Rank"], ["k1", "a", 1]))
        assert counts(job.run()) == (1, 0, 0, 0)
        job = Job(notes, filename="Notes.XLSX")
        job.upload(HEADER + rows(1), content_type="text/csv")
        assert counts(job.run()) == (1, 0, 0, 0)

    @pytest.mark.parametrize(
        ("content", "detail"),
        [
            pytest.param(b"Key,Title,Rank\nk1,a,1\n", "file: Not an Excel", id="text"),
            pytest.param(workbook_of(["Key", "Title"], ["k1", "a"]), "Rank: ", id="column"),
            pytest.param(
                workbook_of(["Key", "Title", "Rank"], *[["k", "a", 1]] * 3, ["k1", "a", 1, "x"]),
                "row 5: ",
                id="beyond the header",
            ),
        ],
    )
    def test_a_bad_one_fails_its_job(self, notes, content, detail):
        job, later = Job(notes), Job(notes)
        job.upload(content, content_type=XLSX)
        later.upload(HEADER + rows(1))
        state = job.run()
        assert (state["state"], counts(state)) == ("failed", (0, 0, 0, 0))
        assert state["detail"].startswith(detail)
        assert later.state()["state"] == "done"

    def test_a_large_one_is_read_from_its_pieces(self, notes, monkeypatch):
        monkeypatch.setattr(jobs, "_PIECE_BYTES", 100)
        job = Job(notes)
        lines = [[f"k{n}", f"title {n}", n] for n in range(CHUNK_ROWS + 5)]
        job.upload(workbook_of(["Key", "Title", "Rank"], *lines), content_type=XLSX)
        assert (job.state()["state"], job.state()["rows_total"]) == ("queued", 0)
        assert counts(job.run()) == (CHUNK_ROWS + 5, 0, 0, 0)
        assert job.state()["rows_total"] == CHUNK_ROWS + 5

    def test_blank_lines_of_a_text_file_are_counted_as_rows(self, notes):
        job = Job(notes)
        job.upload(HEADER + "k1,a,1\n\n\nk2,,2\n")
        job.run()
        assert [error["row"] for error in job.errors()] == [5]

    def test_a_guarded_formula_is_what_it_was(self, notes):
        job = Job(notes)
        job.upload(HEADER + "k1,'=1+1,1\nk2,'plain,2\nk3,''=1,3\n")
        job.run()
        assert stored(notes) == {"k1": "=1+1", "k2": "'plain", "k3": "'=1"}


class TestFailing:
    def test_a_job_for_what_is_not_taken_in_any_more_has_failed(self, notes):
        job, later = Job(notes), Job(notes)
        for one in (job, later):
            one.upload(HEADER + rows(1))
        runner = ImportRunner("notes", notes.service.database, [])
        while runner.step():
            pass
        assert [one.state()["state"] for one in (job, later)] == ["failed", "failed"]
        assert "notes" in job.state()["detail"]
        assert job.run()["state"] == "failed"

    def test_a_job_that_cannot_even_refuse_its_rows_has_failed_alone(self, notes):
        job, later = Job(notes), Job(notes)
        for one in (job, later):
            one.upload(HEADER + rows(2))
        with notes.service.database.transaction() as session:
            session.execute(
                update(import_jobs)
                .where(import_jobs.c.id == job.path.rpartition("/")[2])
                .values(mapping={"of": "another release"})
            )
        assert later.run()["state"] == "done"
        assert job.state()["state"] == "failed"
        assert "TypeError" in job.state()["detail"]

    def test_a_job_is_opened_once_for_one_key(self, notes):
        user = notes.as_user()
        body = {"resource": "notes", "columns": COLUMNS}
        answers = [
            user.post("/v1/imports", json=body, headers={"Idempotency-Key": "one"})
            for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].json == answers[1].json


class TestDryRuns:
    CONTENT = HEADER + "k1,good,1\nk2,,high\nk3,bad,-1\n,none,4\n"

    def test_a_dry_run_and_the_run_report_the_same(self, notes):
        reports = []
        for dry_run in (True, False):
            job = Job(notes, dry_run=dry_run)
            job.upload(self.CONTENT)
            state = job.run()
            errors = [{**error} for error in job.errors()]
            reports.append((counts(state), errors))
        assert reports[0] == reports[1]
        assert len(reports[0][1]) == 4

    def test_what_the_end_of_a_transaction_refuses_is_reported(self, notes, monkeypatch):
        def refuse(session: Any) -> None:
            if session.scalar(select(Note).where(Note.title == "title 1")):
                raise ValueError("not that")

        monkeypatch.setattr(
            notes.service.database, "before_commit", [*notes.service.database.before_commit, refuse]
        )
        for dry_run in (True, False):
            job = Job(notes, dry_run=dry_run)
            job.upload(HEADER + rows(3))
            assert counts(job.run()) == (2, 0, 0, 1)
            assert [error["row"] for error in job.errors()] == [3]
