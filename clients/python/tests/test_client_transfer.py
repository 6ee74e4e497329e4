"""Files in and out: whole, in bounded memory, and again after an interruption."""

from __future__ import annotations

import hashlib
import stat
import tracemalloc
from pathlib import Path

import pytest

from crm_client import exports, files, imports
from crm_client.errors import NotFoundError, UnavailableError, UnreachableError
from crm_client.mapping import Mapping

MAPPING = Mapping("external_id", {"编号": ["external_id"], "姓名": ["name"]}, {}, {})
MEGABYTE = 1_000_000


@pytest.fixture
def small_file(tmp_path: Path) -> Path:
    path = tmp_path / "线索.csv"
    path.write_text("编号,姓名\n1,王芳\n2,李娜\n3,José\n", "utf-8-sig")
    return path


@pytest.fixture
def big_file(tmp_path: Path) -> Path:
    path = tmp_path / "big.csv"
    line = "1234567,北京市海淀区中关村大街二十七号王芳\n".encode()
    with path.open("wb") as file:
        file.write("编号,姓名\n".encode())
        for _ in range(40):
            file.write(line * (MEGABYTE // len(line)))
    return path


def peak_memory(action) -> int:
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def announced(client, path: Path):
    return imports.create(client, "leads", path.name, MAPPING)


def test_a_job_from_its_announcement_to_its_end(platform, client, small_file):
    job = announced(client, small_file)
    assert (job.state, job.service, job.ended) == ("uploading", "sales", False)

    sent = []
    job = imports.upload(client, job, small_file, sent.append)
    assert (job.state, job.rows_total) == ("queued", 3)
    assert platform.uploads[0].content == small_file.read_bytes()
    assert sent[-1] == small_file.stat().st_size

    last = list(imports.watch(client, job, sleep=lambda seconds: None))[-1]
    assert (last.state, last.rows_done, last.created, last.ended) == ("done", 3, 3, True)


def test_a_big_file_is_sent_without_being_held_in_memory(platform, client, big_file):
    job = announced(client, big_file)
    peak = peak_memory(lambda: imports.upload(client, job, big_file))
    assert platform.uploads[0].size == big_file.stat().st_size
    assert platform.uploads[0].sha256 == hashlib.sha256(big_file.read_bytes()).hexdigest()
    assert peak < 4 * MEGABYTE


def test_a_cut_upload_is_sent_again_from_its_start(platform, client, big_file):
    job = announced(client, big_file)
    platform.cut_uploads = 1
    imports.upload(client, job, big_file)
    (upload,) = platform.uploads
    assert upload.size == big_file.stat().st_size


def test_an_upload_with_a_token_that_has_ended_is_sent_again_whole(platform, client, small_file):
    job = announced(client, small_file)
    platform.access_tokens.clear()
    imports.upload(client, job, small_file)
    assert [upload.content for upload in platform.uploads] == [small_file.read_bytes()]


def test_an_upload_whose_answer_was_lost_is_not_a_conflict(platform, client, small_file):
    job = announced(client, small_file)
    platform.fail_next("after PUT .*/content", platform.hang_up())
    job = imports.upload(client, job, small_file)
    assert job.state in ("queued", "running")
    assert len(platform.uploads) == 1


def test_watching_outlasts_a_restart_of_the_service(platform, hasty_client, small_file):
    job = imports.upload(hasty_client, announced(hasty_client, small_file), small_file)
    away = [platform.problem(503), platform.hang_up()] * 6
    platform.fail_next(f"GET /api/sales/v1/imports/{job.id}", *away)
    assert list(imports.watch(hasty_client, job, sleep=lambda seconds: None))[-1].state == "done"


def test_watching_has_an_end(platform, hasty_client, small_file):
    job = imports.upload(hasty_client, announced(hasty_client, small_file), small_file)
    platform.fail_next(f"GET /api/sales/v1/imports/{job.id}", platform.problem(503))
    with pytest.raises(UnavailableError):
        list(imports.watch(hasty_client, job, patience=0, sleep=lambda seconds: None))


def test_a_job_is_found_by_its_id_alone(platform, client, small_file):
    job = announced(client, small_file)
    platform.fail_next("GET /api/customer/v1/imports/.*", platform.problem(403))
    assert imports.find(client, job.id) == job


def test_a_job_that_nobody_knows(client):
    with pytest.raises(NotFoundError):
        imports.find(client, "0190aaaa-0000-7000-8000-000000000000")


def test_a_job_that_may_be_with_a_service_that_is_away(platform, hasty_client):
    platform.fail_next("GET /api/sales/v1/imports/.*", platform.problem(503))
    with pytest.raises(UnavailableError):
        imports.find(hasty_client, "0190aaaa-0000-7000-8000-000000000000")


def test_errors_are_read_page_by_page(platform, client, small_file):
    platform.row_errors = [
        {"row": n, "column": "姓名", "field": "name", "value": "", "detail": "Missing.", "new": 1}
        for n in range(60)
    ]
    found = list(imports.errors(client, announced(client, small_file)))
    assert [error.row for error in found] == list(range(60))
    assert found[0] == imports.RowError(0, "姓名", "name", "", "Missing.")


def csv_blocks(count: int):
    yield b"id,name\r\n"
    for _ in range(count):
        yield "1,王芳\r\n".encode() * 10_000


def test_an_export_is_written_whole_in_bounded_memory(platform, client, tmp_path):
    platform.replies["GET /api/sales/v1/exports/leads"] = platform.stream(lambda: csv_blocks(200))
    target = tmp_path / "leads.csv"
    blocks = exports.stream(client, "leads", {"status": "new"})
    peak = peak_memory(lambda: exports.write(blocks, target))
    assert target.read_bytes() == b"".join(csv_blocks(200))
    assert peak < 4 * MEGABYTE
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    (asked,) = platform.asked("GET", "/api/sales/v1/exports/leads")
    assert asked.query == [("status", "new")]


def test_an_export_that_breaks_off_leaves_the_old_file_and_nothing_else(platform, client, tmp_path):
    def broken():
        yield from csv_blocks(3)
        raise ConnectionAbortedError

    platform.replies["GET /api/sales/v1/exports/leads"] = platform.stream(broken)
    target = tmp_path / "leads.csv"
    target.write_text("old")
    with pytest.raises(UnreachableError):
        exports.write(exports.stream(client, "leads"), target)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_workbook_is_told_by_its_name(platform, client, tmp_path):
    workbook = tmp_path / "leads.XLSX"
    workbook.write_bytes(b"PK")
    job = imports.upload(client, announced(client, workbook), workbook)
    (sent,) = platform.asked("PUT", f"/api/sales/v1/imports/{job.id}/content")
    assert sent.headers["Content-Type"] == files.XLSX
    platform.replies["GET /api/sales/v1/exports/leads"] = platform.stream(lambda: csv_blocks(0))
    list(exports.stream(client, "leads", content_type=files.XLSX))
    (asked,) = platform.asked("GET", "/api/sales/v1/exports/leads")
    assert asked.headers["Accept"] == files.XLSX
