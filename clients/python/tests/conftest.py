"""A small server on loopback that plays the platform's documented API, faults included."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from crm_client import Client, PasswordGrant

EMAIL = "li.na@example.com"
PASSWORD = "正确的马"
GRANT = PasswordGrant(EMAIL, PASSWORD)


@dataclass
class Request:
    """What a client sent."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: Any
    body: Any

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What the platform says; `hang_up` breaks the connection instead."""

    status: int = 200
    document: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    blocks: Callable[[], Iterator[bytes]] | None = None
    hang_up: bool = False


def problem(
    status: int, detail: str = "As the test wants it.", *, retry_after: int = 0, **more: Any
) -> Answer:
    """A refusal; `retry_after` seconds are asked for."""
    title = HTTPStatus(status).phrase
    code = title.lower().replace(" ", "-")
    document = {"type": f"urn:crm:problem:{code}", "title": title, "status": status}
    headers = {"Content-Type": "application/problem+json", "Retry-After": str(retry_after)}
    return Answer(status, {**document, "detail": detail, **more}, headers)


@dataclass
class Upload:
    """A file that arrived: its size and digest, and its bytes if it is small."""

    size: int
    sha256: str
    content: bytes


class Platform:
    """The state behind the server. Tests queue faults, and read what was asked."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.faults: list[tuple[str, Answer]] = []
        self.replies: dict[str, Answer | Callable[[Request], Answer]] = {}
        self.access_tokens: set[str] = set()
        self.refresh_tokens: set[str] = set()
        self.reused_refresh_tokens = 0
        self.revoked: list[str] = []
        self.expires_in = 900
        self.answered_keys: dict[str, Answer] = {}
        self.leads: list[dict[str, Any]] = []
        self.account = {"name": "Acme", "version": 1}
        self.jobs: dict[str, dict[str, Any]] = {}
        self.uploads: list[Upload] = []
        self.cut_uploads = 0
        self.row_errors: list[dict[str, Any]] = []
        self.polls_to_finish = 2
        self.polled = threading.Event()
        self.lock = threading.Lock()
        self.url = ""

    def fail_next(self, path: str, *answers: Answer) -> None:
        """Give these answers to the next requests whose ``METHOD path`` matches, in turn."""
        self.faults += [(path, answer) for answer in answers]

    problem = staticmethod(problem)

    @staticmethod
    def hang_up() -> Answer:
        return Answer(hang_up=True)

    @staticmethod
    def json(document: Any, status: int = 200) -> Answer:
        return Answer(status, document)

    @staticmethod
    def page(items: list[Any]) -> Answer:
        return Answer(200, {"items": items, "next_cursor": None})

    @staticmethod
    def plain(status: int, text: str = "", **headers: str) -> Answer:
        return Answer(status, text, headers)

    @staticmethod
    def stream(blocks: Callable[[], Iterator[bytes]]) -> Answer:
        """A CSV sent block by block; a ConnectionAbortedError in between breaks it off."""
        return Answer(200, None, {"Content-Type": "text/csv"}, blocks)

    def asked(self, method: str, path: str) -> list[Request]:
        return [r for r in self.requests if r.method == method and r.path == path]

    def answer(self, request: Request) -> Answer:
        self.requests.append(request)
        fault = self._fault(request)
        if fault:
            return fault
        if request.path == "/api/auth/token":
            return self._token(dict(parse_qsl(request.body.decode())))
        if request.path == "/api/auth/revoke":
            self.revoked.append(dict(parse_qsl(request.body.decode()))["token"])
            return Answer()
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in self.access_tokens:
            return problem(401, "The token is not valid.")
        if key := request.headers.get("Idempotency-Key"):
            if key not in self.answered_keys:
                self.answered_keys[key] = self._acted(request)
            return self._fault(request, done=True) or self.answered_keys[key]
        return self._acted(request)

    def _fault(self, request: Request, *, done: bool = False) -> Answer | None:
        """A fault queued for ``METHOD path``; or for ``after METHOD path``, once acted on."""
        name = f"{'after ' if done else ''}{request.method} {request.path}"
        for index, (pattern, answer) in enumerate(self.faults):
            if re.fullmatch(pattern, name):
                del self.faults[index]
                return answer
        return None

    def _token(self, form: dict[str, str]) -> Answer:
        with self.lock:
            if form["grant_type"] == "refresh_token":
                if form["refresh_token"] not in self.refresh_tokens:
                    self.reused_refresh_tokens += 1
                    return Answer(400, {"error": "invalid_grant", "error_description": "Used."})
                self.refresh_tokens.remove(form["refresh_token"])
            elif form["grant_type"] == "password":
                if (form["username"], form["password"]) != (EMAIL, PASSWORD):
                    return problem(401, "Wrong email or password.")
            elif (form["client_id"], form["client_secret"]) != ("erp", "s3cret"):
                return problem(401, "Wrong client or secret.")
            access = f"access-{uuid.uuid4()}"
            self.access_tokens.add(access)
            given = {"access_token": access, "token_type": "Bearer", "expires_in": self.expires_in}
            if form["grant_type"] != "client_credentials":
                given["refresh_token"] = f"refresh-{uuid.uuid4()}"
                self.refresh_tokens.add(given["refresh_token"])
            return Answer(200, given)

    def _acted(self, request: Request) -> Answer:
        reply = self.replies.get(f"{request.method} {request.path}")
        if reply:
            return reply(request) if callable(reply) else reply
        if re.fullmatch(r"/api/[a-z-]+/v1/imports(/.*)?", request.path):
            return self._imports(request)
        if request.path == "/api/sales/v1/leads":
            return self._leads(request)
        if request.path.startswith("/api/customer/v1/accounts/"):
            return self._account(request)
        return problem(404, "No such page.")

    def _leads(self, request: Request) -> Answer:
        if request.method == "POST":
            self.leads.append({"id": str(len(self.leads)), **request.json()})
            return Answer(201, self.leads[-1])
        query = dict(request.query)
        found = [lead for lead in self.leads if query.get("status") in (None, lead["status"])]
        start, limit = int(query.get("cursor", 0)), int(query["limit"])
        end = start + limit
        return Answer(
            200,
            {
                "items": found[start:end],
                "next_cursor": str(end) if end < len(found) else None,
            },
        )

    def _account(self, request: Request) -> Answer:
        etag = f'"{self.account["version"]}"'
        if request.method != "GET":
            given = request.headers.get("If-Match")
            if given is None:
                return problem(428, "Send If-Match.")
            if given != etag:
                return problem(412, "Somebody else changed it meanwhile.")
            self.account |= request.json()
            self.account["version"] += 1
        return Answer(200, dict(self.account), {"ETag": f'"{self.account["version"]}"'})

    def _imports(self, request: Request) -> Answer:
        service, _, rest = request.path.removeprefix("/api/").partition("/v1/imports")
        if request.method == "POST":
            job = dict.fromkeys(
                ("rows_total", "rows_done", "created", "changed", "unchanged", "failed"), 0
            )
            asked = request.json()
            job |= {"id": str(uuid.uuid4()), "state": "uploading", "detail": None, "polls": 0}
            job |= {"service": service, "resource": asked["resource"]}
            job |= {"filename": asked["filename"], "dry_run": asked["dry_run"]}
            self.jobs[job["id"]] = job
            return Answer(201, job)
        _, job_id, *what = rest.split("/")
        job = self.jobs.get(job_id)
        if job is None or job["service"] != service:
            return problem(404, "No such import.")
        if what == ["content"]:
            if job["state"] != "uploading":
                return problem(409, f"The import is {job['state']}.")
            self.uploads.append(request.body)
            rows = (
                len(
                    list(
                        csv.reader(io.StringIO(request.body.content.decode("utf-8-sig", "ignore")))
                    )
                )
                - 1
            )
            job |= {"state": "queued", "rows_total": rows}
            return self._fault(request, done=True) or Answer(202, job)
        if what == ["errors"]:
            start = int(dict(request.query).get("cursor", 0))
            end = start + 25
            more = str(end) if end < len(self.row_errors) else None
            return Answer(200, {"items": self.row_errors[start:end], "next_cursor": more})
        if job["state"] in ("queued", "running"):
            job["polls"] += 1
            job["state"] = "running"
            self.polled.set()
            if job["polls"] >= self.polls_to_finish:
                failed = len({error["row"] for error in self.row_errors})
                total = job["rows_total"]
                job |= {"state": "done", "rows_done": total, "failed": failed}
                job["created"] = total - failed
        return Answer(200, job)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    platform: Platform

    def _serve(self) -> None:
        if self.command == "PUT" and self.platform.cut_uploads:
            self.platform.cut_uploads -= 1
            self.rfile.read1(1 << 16)
            self.close_connection = True
            return
        parts = urlsplit(self.path)
        request = Request(
            self.command, parts.path, parse_qsl(parts.query), self.headers, self._read_body()
        )
        answer = self.platform.answer(request)
        if answer.hang_up:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if answer.blocks:
            self._send_chunked(answer.blocks())
            return
        text = answer.document if isinstance(answer.document, str) else json.dumps(answer.document)
        body = b"" if answer.document is None else text.encode()
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = _serve  # noqa: N815 -- http.server's names

    def _read_body(self) -> Any:
        remaining = int(self.headers.get("Content-Length", 0))
        if self.command != "PUT":
            return self.rfile.read(remaining)
        digest, kept, size = hashlib.sha256(), b"", 0
        while remaining and (block := self.rfile.read(min(remaining, 1 << 16))):
            digest.update(block)
            kept = kept + block if len(kept) < 100_000 else kept
            size += len(block)
            remaining -= len(block)
        return Upload(size, digest.hexdigest(), kept)

    def _send_chunked(self, blocks: Iterator[bytes]) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        try:
            for block in blocks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(block), block))
        except ConnectionAbortedError:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, format: str, *args: Any) -> None:
        """Keep quiet."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that leaves in the middle is part of the play."""


@pytest.fixture
def platform() -> Iterator[Platform]:
    state = Platform()
    handler = type("Handler", (_Handler,), {"platform": state})
    server = _Server(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield state
    with suppress(OSError):
        server.shutdown()
        server.server_close()
    thread.join()


@pytest.fixture
def free_address() -> str:
    """An address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def client(platform: Platform) -> Client:
    return Client(platform.url, grant=GRANT)


@pytest.fixture
def hasty_client(platform: Platform) -> Client:
    """A client that sends nothing twice."""
    return Client(platform.url, grant=GRANT, repeats=0)


@pytest.fixture
def settings_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home for the command's settings, and an environment without any."""
    folder = tmp_path / "settings"
    folder.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    for name in ("URL", "EMAIL", "PASSWORD", "CLIENT_ID", "CLIENT_SECRET"):
        monkeypatch.delenv(f"CRM_{name}", raising=False)
    return folder / "crm"


@pytest.fixture
def signed_in(platform: Platform, settings_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a script that signs in by itself."""
    monkeypatch.setenv("CRM_URL", platform.url)
    monkeypatch.setenv("CRM_EMAIL", EMAIL)
    monkeypatch.setenv("CRM_PASSWORD", PASSWORD)
