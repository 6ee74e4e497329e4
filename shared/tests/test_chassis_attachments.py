"""Attachments: what is accepted, who reaches it, and that nothing is half there."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from notes_service import READ, WRITE, Note, create_app
from s3_server import S3Server, s3_server
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm_chassis import attachments_api
from crm_chassis.attachments import DISCARD, MOST, Attachable, Attachment, Limits, safe_filename
from crm_chassis.content_types import content_type_of
from crm_chassis.database import new_id
from crm_chassis.problems import Problem
from crm_chassis.scheduler import timers
from crm_chassis.settings import Settings, SettingsError
from crm_chassis.storage import Storage, open_storage
from crm_chassis.storage.disk import DiskStorage
from crm_chassis.storage.s3 import S3Storage
from crm_chassis.testing_harness import Caller, Harness

RIGHT = "notes.notes.files"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 40
JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\0" + b"\0" * 400
PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + b"x" * 400
EXE = b"MZ\x90\0\x03\0\0\0" + b"\0" * 400
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + b"\0" * 100
WAV = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 100
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 100
ENDINGS = Limits.of(Settings(service="x", database_url="", broker_url="", token_keys="")).endings


def docx() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", "<document/>")
    return file.getvalue()


counts: list[int] = []


def count_changed(_session: Session, note: Note, count: int) -> None:
    counts.append(count)
    note.rank = count


def attachable(**options: Any) -> Attachable:
    return Attachable(resource="notes", model=Note, read=READ, write=WRITE, **options)


@pytest.fixture
def desk(tmp_path: Path, database_url: str) -> Iterator[Harness]:
    """Notes with attachments, on each kind of database in turn."""
    parts = {"attachments": [attachable(right=RIGHT, changed=count_changed)]}
    counts.clear()
    with closing(Harness(create_app, "notes", tmp_path, database_url, **parts)) as harness:
        yield harness


@pytest.fixture
def writer(desk: Harness) -> Caller:
    return desk.as_user({"notes.*": "own"}, user_id=new_id())


@pytest.fixture
def note(writer: Caller) -> str:
    """A note of the writer's; the path of its attachments."""
    made = writer.post("/v1/notes", json={"title": "Visit", "owner_id": writer.id})
    return f"/v1/notes/{made.json['id']}/attachments"


def send(caller: Caller, path: str, content: bytes, name: str, **options: Any) -> Any:
    query = {"filename": name}
    return caller.post(path, query_string=query, input_stream=io.BytesIO(content), **options)


def files(desk: Harness) -> list[Path]:
    root = Path(desk.service.settings.attachments_dir)
    return sorted(path for path in root.rglob("*") if path.is_file())


def stored(desk: Harness) -> int:
    with desk.service.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Attachment))


def waiting(desk: Harness) -> int:
    with desk.service.database.reading() as session:
        return session.scalar(select(func.count()).where(timers.c.kind == DISCARD))


def later(desk: Harness, hours: float) -> None:
    """Let the scheduler do what is due by then."""
    scheduler = desk.service.scheduler
    scheduler._ahead = timedelta(hours=hours)
    while scheduler.step():
        pass
    scheduler._ahead = timedelta(0)


def test_a_file_comes_back_as_it_was(desk: Harness, writer: Caller, note: str) -> None:
    sent = send(writer, note, PNG, "拜访 照片.png")
    assert sent.status_code == 201, sent.json
    assert sent.json["filename"] == "拜访 照片.png"
    assert sent.json["content_type"] == "image/png"
    assert sent.json["size"] == len(PNG)
    assert sent.json["sha256"] == hashlib.sha256(PNG).hexdigest()
    assert sent.json["uploaded_by"] == writer.id
    listed = writer.get(note).json
    assert listed == {"items": [sent.json], "next_cursor": None}
    got = writer.get(f"{note}/{sent.json['id']}")
    assert got.data == PNG
    assert got.content_type == "image/png"
    assert got.content_length == len(PNG)
    disposition = got.headers["Content-Disposition"]
    assert disposition.startswith("attachment;")
    assert "filename*=UTF-8''%E6%8B%9C%E8%AE%BF%20%E7%85%A7%E7%89%87.png" in disposition
    assert got.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in got.headers["Content-Security-Policy"]
    assert "no-store" in got.headers["Cache-Control"]
    assert counts == [1]
    assert waiting(desk) == 0


def test_a_form_brings_a_file(writer: Caller, note: str) -> None:
    sent = writer.post(note, data={"file": (io.BytesIO(PDF), "报价.pdf")})
    assert sent.status_code == 201, sent.json
    assert sent.json["filename"] == "报价.pdf"
    assert writer.get(f"{note}/{sent.json['id']}").data == PDF


def test_a_form_without_a_file_is_refused(desk: Harness, writer: Caller, note: str) -> None:
    two = [(io.BytesIO(PDF), "a.pdf"), (io.BytesIO(PDF), "b.pdf")]
    assert writer.post(note, data={"other": (io.BytesIO(PDF), "a.pdf")}).status_code == 422
    assert writer.post(note, data={"file": two}).status_code == 422
    assert writer.post(note, input_stream=io.BytesIO(PDF)).status_code == 422
    assert files(desk) == []


def test_a_part_of_a_file_can_be_asked_for(writer: Caller, note: str) -> None:
    path = f"{note}/{send(writer, note, MP4, 'call.mp4').json['id']}"
    part = writer.get(path, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.data) == (206, b"ftyp")
    etag = writer.get(path).headers["ETag"]
    assert writer.get(path, headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd.png", "passwd.png"),
        ("..\\..\\windows\\system32\\x.png", "x.png"),
        ("/etc/cron.d/job.png", "job.png"),
        ("a\r\nSet-Cookie: x=1.png", "aSet-Cookie: x=1.png"),
        ("invoice\u202egnp.exe.png", "invoicegnp.exe.png"),
        ("nul\0byte.png", "nulbyte.png"),
        ("客户会议纪要（终稿）.png", "客户会议纪要（终稿）.png"),
        ("  .png", "png"),
        ("x" * 500 + ".png", "x" * 196 + ".png"),
        ('quo"te;.png', 'quo"te;.png'),
    ],
)
def test_a_hostile_name_is_only_a_name(given: str, kept: str) -> None:
    name = safe_filename(given)
    assert name == kept
    assert len(name) <= 200
    assert "/" not in name
    assert "\\" not in name


def test_a_hostile_name_harms_neither_folder_nor_header(
    desk: Harness, writer: Caller, note: str
) -> None:
    sent = send(writer, note, PNG, '../../../x"; a=b.png')
    assert sent.status_code == 201, sent.json
    assert [path.name for path in files(desk)] == [sent.json["id"]]
    got = writer.get(f"{note}/{sent.json['id']}")
    assert got.headers["Content-Disposition"] == 'attachment; filename="x\\"; a=b.png"'


@pytest.mark.parametrize(
    ("content", "name", "content_type"),
    [
        (PNG, "a.png", "image/png"),
        (PNG, "A.PNG", "image/png"),
        (JPEG, "a.jpg", "image/jpeg"),
        (PNG, "renamed.jpg", "image/png"),
        (HEIC, "IMG_0001.HEIC", "image/heif"),
        (PDF, "a.pdf", "application/pdf"),
        (MP4, "a.mp4", "video/mp4"),
        (WAV, "call.wav", "audio/wav"),
        (docx(), "a.docx", content_type_of(docx(), "a.docx", ENDINGS)),
        ("会议纪要".encode() * 3000, "a.txt", "text/plain"),  # a character is cut at the end
        ("会议纪要".encode("gb18030"), "a.txt", "text/plain"),
        ("会议纪要".encode("utf-16"), "a.csv", "text/plain"),
    ],
)
def test_what_is_in_a_file_says_what_it_is(content: bytes, name: str, content_type: str) -> None:
    assert content_type_of(content[:8192], name, ENDINGS) == content_type


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (EXE, "photo.png"),
        (EXE, "notes.txt"),
        (PNG, "photo.exe"),
        (PNG, "photo"),
        (PNG, "page.html"),
        (b"<html><script>alert(1)</script></html>", "photo.png"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "photo.png"),
        (docx(), "photo.png"),
        (PDF, "photo.png"),
        (b"", "photo.png"),
        (b"\0\1\2", "minutes.txt"),
    ],
)
def test_what_it_is_not_is_refused(
    desk: Harness, writer: Caller, note: str, content: bytes, name: str
) -> None:
    sent = send(writer, note, content, name)
    assert sent.status_code == 415, sent.json
    assert (files(desk), stored(desk), waiting(desk)) == ([], 0, 0)


@pytest.fixture
def small_limit(desk: Harness) -> int:
    desk.service.attachment_limits = Limits(20_000, ENDINGS)
    return 20_000


def test_the_largest_file_is_taken(writer: Caller, note: str, small_limit: int) -> None:
    assert send(writer, note, PNG.ljust(small_limit), "a.png").status_code == 201
    content = PNG.ljust(small_limit)
    assert writer.post(note, data={"file": (io.BytesIO(content), "b.png")}).status_code == 201


def test_a_huge_file_is_refused(desk: Harness, writer: Caller, note: str, small_limit: int) -> None:
    content = PNG.ljust(small_limit + 1)
    huge = PNG.ljust(small_limit + 1_000_000)
    chunked = {"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"}
    query = {"filename": "a.png"}
    refused = [
        send(writer, note, content, "a.png"),
        writer.post(note, query_string=query, data=content, content_type="image/png"),
        writer.post(
            note, query_string=query, input_stream=io.BytesIO(huge), environ_overrides=chunked
        ),
        writer.post(note, data={"file": (io.BytesIO(content), "a.png")}),
        writer.post(note, data={"file": (io.BytesIO(huge), "a.png")}),
    ]
    assert [answer.status_code for answer in refused] == [413] * 5
    assert (files(desk), stored(desk)) == ([], 0)
    later(desk, hours=2)
    assert waiting(desk) == 0


def test_an_upload_that_breaks_off_leaves_nothing(desk: Harness, writer: Caller, note: str) -> None:
    sent = writer.post(
        note,
        query_string={"filename": "a.png"},
        input_stream=io.BytesIO(PNG),
        environ_overrides={"CONTENT_LENGTH": str(len(PNG) + 1)},
    )
    assert sent.status_code == 400
    assert (files(desk), stored(desk)) == ([], 0)


def test_what_was_never_attached_is_discarded(
    desk: Harness, writer: Caller, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(attachments_api, "attach", fail)
    assert send(writer, note, PNG, "a.png").status_code == 500
    assert (len(files(desk)), stored(desk), waiting(desk)) == (1, 0, 1)
    later(desk, hours=0.5)
    assert len(files(desk)) == 1, "it might still be attached"
    later(desk, hours=1.5)
    assert (files(desk), waiting(desk)) == ([], 0)


def test_an_upload_slower_than_its_timer_is_refused(
    desk: Harness, writer: Caller, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach = attachments_api.attach

    def late(*args: Any) -> Attachment:
        with desk.service.database.transaction() as session:
            session.execute(timers.delete())
        return attach(*args)

    if desk.service.database.is_sqlite:
        pytest.skip("one transaction at a time writes")
    monkeypatch.setattr(attachments_api, "attach", late)
    assert send(writer, note, PNG, "a.png").status_code == 409
    assert stored(desk) == 0


_SLOW_UPLOAD = """
import sys, time
from pathlib import Path
from crm_chassis.storage.disk import DiskStorage

class Slow:
    given = 0
    def read(self, size=-1):
        if self.given > 1_000_000:
            print("half", flush=True)
            time.sleep(60)
        self.given += size
        return bytes(size)

DiskStorage(Path(sys.argv[1])).put(sys.argv[2], Slow())
"""


def test_an_upload_that_is_killed_leaves_no_content(tmp_path: Path) -> None:
    key = new_id()
    command = [sys.executable, "-c", _SLOW_UPLOAD, str(tmp_path), key]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "half\n"
        process.kill()
    storage = DiskStorage(tmp_path)
    with pytest.raises(FileNotFoundError):
        storage.open(key)
    assert any(path.is_file() for path in tmp_path.rglob("*"))
    storage.delete([key])
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_deleted_attachment_goes_after_the_commit(
    desk: Harness, writer: Caller, note: str
) -> None:
    sent = send(writer, note, PNG, "a.png").json
    assert writer.delete(f"{note}/{sent['id']}").status_code == 204
    assert writer.get(f"{note}/{sent['id']}").status_code == 404
    assert writer.get(note).json["items"] == []
    later(desk, hours=0)
    assert files(desk) == []
    assert counts == [1, 0]
    assert writer.delete(f"{note}/{sent['id']}").status_code == 404


def test_a_delete_that_fails_keeps_the_content(
    desk: Harness, writer: Caller, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = send(writer, note, PNG, "a.png").json

    def fail(_session: Session) -> None:
        raise RuntimeError("the commit fails")

    desk.service.database.before_commit.append(fail)
    assert writer.delete(f"{note}/{sent['id']}").status_code == 500
    desk.service.database.before_commit.remove(fail)
    later(desk, hours=2)
    assert writer.get(f"{note}/{sent['id']}").data == PNG


def test_the_same_key_attaches_once(desk: Harness, writer: Caller, note: str) -> None:
    headers = {"Idempotency-Key": "photo-1"}
    first = send(writer, note, PNG, "a.png", headers=headers)
    again = send(writer, note, PNG, "a.png", headers=headers)
    assert (again.status_code, again.json) == (first.status_code, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert send(writer, note, PNG + b"!", "a.png", headers=headers).status_code == 422
    assert stored(desk) == 1
    later(desk, hours=2)
    assert len(files(desk)) == 1


def test_an_aggregate_has_only_so_many(
    desk: Harness, writer: Caller, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_chassis.attachments.MOST", 2)
    assert MOST > 2
    statuses = [send(writer, note, PNG, "a.png").status_code for _ in range(3)]
    assert statuses == [201, 201, 409]


def test_the_note_decides_who_reaches_its_attachments(
    desk: Harness, writer: Caller, note: str
) -> None:
    path = f"{note}/{send(writer, note, PNG, 'a.png').json['id']}"

    def answers(caller: Caller) -> list[int]:
        return [
            caller.get(note).status_code,
            caller.get(path).status_code,
            send(caller, note, PNG, "b.png").status_code,
            caller.delete(path).status_code,
        ]

    everything = {READ: "own", WRITE: "own", RIGHT: "own"}
    assert answers(desk.as_user(everything)) == [404] * 4
    assert answers(desk.as_user({READ: "all", RIGHT: "own"})) == [200, 200, 403, 403]
    assert answers(desk.as_user({READ: "all", WRITE: "all"})) == [403] * 4
    assert answers(desk.as_user({})) == [403] * 4
    assert writer.get(path).data == PNG
    other = writer.post("/v1/notes", json={"title": "Other", "owner_id": writer.id}).json["id"]
    elsewhere = path.replace(note.split("/")[3], other)
    assert writer.get(elsewhere).status_code == 404
    assert writer.delete(elsewhere).status_code == 404


def test_a_storage_that_is_away_is_told_of(
    desk: Harness, writer: Caller, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = f"{note}/{send(writer, note, PNG, 'a.png').json['id']}"

    class Away(DiskStorage):
        def put(self, *_args: Any) -> None:
            raise OSError("no route")

        def open(self, *_args: Any) -> Any:
            raise OSError("no route")

    monkeypatch.setattr(desk.service, "storage", Away(Path("nowhere")))
    assert send(writer, note, PNG, "b.png").status_code == 503
    assert writer.get(path).status_code == 503


@pytest.fixture
def bucket() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


@pytest.fixture(params=["disk", "s3"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """A storage of each kind in turn."""
    if request.param == "disk":
        return DiskStorage(tmp_path / "contents")
    return S3Storage(request.getfixturevalue("bucket").url)


def content_of(storage: Storage, key: str) -> bytes:
    with closing(storage.open(key)) as stream:
        return stream.read()


@pytest.mark.parametrize("size", [0, 1, 8 * 1024 * 1024, 20_000_000])
def test_a_storage_keeps_contents(storage: Storage, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)
    key, other = new_id(), new_id()
    storage.put(key, io.BytesIO(content[:size]))
    storage.put(other, io.BytesIO(b"other"))
    assert content_of(storage, key) == content[:size]
    storage.delete([key, new_id()])
    with pytest.raises(FileNotFoundError):
        storage.open(key)
    assert content_of(storage, other) == b"other"


@pytest.mark.parametrize("after", [0, 1, 20])
def test_a_storage_keeps_nothing_of_a_broken_content(storage: Storage, after: int) -> None:
    class Breaking:
        left = after

        def read(self, size: int = -1, /) -> bytes:
            if not self.left:
                raise Problem(413, "too-large", "Enough.")
            self.left -= 1
            return bytes(min(size, 1_000_000))

    key = new_id()
    with pytest.raises(Problem):
        storage.put(key, Breaking())
    with pytest.raises(FileNotFoundError):
        storage.open(key)


def test_a_broken_content_leaves_no_parts_in_a_bucket(bucket: S3Server) -> None:
    class Breaking(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            block = super().read(size)
            if self.tell() > 10_000_000:
                raise Problem(413, "too-large", "Enough.")
            return block

    with pytest.raises(Problem):
        S3Storage(bucket.url).put(new_id(), Breaking(bytes(12_000_000)))
    assert (bucket.objects, bucket.uploads) == ({}, {})


def test_a_bucket_is_asked_with_a_signature_below_the_prefix(bucket: S3Server) -> None:
    key = new_id()
    S3Storage(bucket.url).put(key, io.BytesIO(b"x"))
    assert bucket.objects == {f"/crm/customer/{key}": b"x"}
    assert bucket.signed


def test_a_bucket_that_is_away_is_an_os_error() -> None:
    storage = S3Storage("http://key:secret@127.0.0.1:9/crm")
    for call in (
        lambda: storage.put(new_id(), io.BytesIO(b"x")),
        lambda: storage.open(new_id()),
        lambda: storage.delete([new_id()]),
    ):
        with pytest.raises(OSError, match=r"."):
            call()


def test_attachments_in_a_bucket(tmp_path: Path, bucket: S3Server) -> None:
    parts = {"attachments": [attachable()]}
    with closing(Harness(create_app, "notes", tmp_path, **parts)) as harness:
        harness.service.storage = S3Storage(bucket.url)
        writer = harness.as_user()
        made = writer.post("/v1/notes", json={"title": "Visit"}).json
        path = f"/v1/notes/{made['id']}/attachments"
        sent = send(writer, path, PNG, "照片.png")
        assert sent.status_code == 201, sent.json
        got = writer.get(f"{path}/{sent.json['id']}")
        assert got.data == PNG


Made = Callable[..., Settings]


@pytest.fixture
def settings() -> Made:
    def make(**values: Any) -> Settings:
        usual = {"service": "notes", "database_url": "sqlite:////data/notes.db"}
        return Settings(**{**usual, "broker_url": "memory://", "token_keys": "x", **values})

    return make


def test_the_settings_say_where_attachments_are(settings: Made) -> None:
    disk = open_storage(settings())
    assert isinstance(disk, DiskStorage)
    assert disk._root == Path("/data/attachments/notes")
    named = open_storage(settings(attachments_dir="/mnt/files", database_url="postgresql://db"))
    assert isinstance(named, DiskStorage)
    assert named._root == Path("/mnt/files/notes")
    url = "https://key:se%2Fcret@s3.example.com/bucket/crm?region=eu-central-1"
    assert isinstance(open_storage(settings(attachments_url=url)), S3Storage)


def test_settings_that_cannot_be_are_refused_at_start(settings: Made) -> None:
    with pytest.raises(SettingsError, match="ATTACHMENTS_DIR or ATTACHMENTS_URL"):
        open_storage(settings(database_url="postgresql+psycopg://db/notes"))
    with pytest.raises(SettingsError, match="ATTACHMENTS_URL"):
        open_storage(settings(attachments_url="s3:bucket"))
    with pytest.raises(SettingsError, match="cannot be told: exe"):
        Limits.of(settings(attachment_types="pdf exe"))
