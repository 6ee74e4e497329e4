"""What goes through the gateway, and what does not."""

import http.client
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import ProtocolError
from urllib3.util import connection
from werkzeug.test import Client, EnvironBuilder, TestResponse

from crm_chassis.auth import principal_of
from crm_chassis.problems import Problem
from crm_chassis.tokens import KeySource, TokenVerifier
from crm_gateway.proxy import BLOCK, is_clean
from crm_gateway.testing_harness import (
    Caller,
    Running,
    StubService,
    eventually,
    running_gateway,
    settings_for,
)

ACCOUNTS = "/api/customer/v1/accounts"


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer.data
    assert answer.headers["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = json.loads(answer.data)
    assert body["type"] == f"urn:crm:problem:{code}", body
    assert body["status"] == status
    return body


def answering(
    body: bytes = b"", status: str = "200 OK", headers: dict[str, str] | None = None
) -> Callable[..., list[bytes]]:
    def behave(_environ: Any, start_response: Any) -> list[bytes]:
        start_response(status, [("Content-Length", str(len(body))), *(headers or {}).items()])
        return [body]

    return behave


def test_a_request_reaches_the_service_and_its_answer_the_client(
    admin: Caller, service: StubService
) -> None:
    service.behaviour = answering(b'{"id": 1}', "201 Created", {"ETag": '"1"'})
    answer = admin.post(
        f"{ACCOUNTS}?dry=1&q=a%20b%2Fc",
        {"name": "李雷"},
        headers={"Idempotency-Key": "k1", "If-Match": '"3"'},
    )
    assert (answer.status, answer.data) == (201, b'{"id": 1}')
    assert answer.headers["ETag"] == '"1"'
    seen = service.last
    assert (seen.method, seen.path, seen.query) == ("POST", "/v1/accounts", "dry=1&q=a%20b%2Fc")
    assert json.loads(seen.body) == {"name": "李雷"}
    assert seen.headers["Idempotency-Key"] == "k1"
    assert seen.headers["If-Match"] == '"3"'
    assert seen.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE"])
def test_methods_go_through(admin: Caller, service: StubService, method: str) -> None:
    assert admin.call(method, ACCOUNTS).status == 200
    assert service.last.method == method


def test_a_head_request_gets_the_length_without_the_body(
    admin: Caller, service: StubService
) -> None:
    service.behaviour = answering(b"x" * 10)
    answer = admin.call("HEAD", ACCOUNTS)
    assert answer.headers["Content-Length"] == "10"
    assert answer.data == b""


def test_other_methods_do_not_go_through(admin: Caller, service: StubService) -> None:
    problem(admin.call("TRACE", ACCOUNTS), 405, "method-not-allowed")
    assert service.seen == []


def test_each_service_is_told_who_asks_and_only_its_own_permissions(
    gateway: Running, admin: Caller, service: StubService
) -> None:
    team = admin.create("teams", name="North")
    role = admin.create(
        "roles", name="mixed", grants={"customer.accounts.read": "team", "sales.leads.read": "own"}
    )
    user = admin.create(
        "users", name="Mo", email="mo@example.com", team_id=team["id"], roles=[role["name"]]
    )
    admin.call(
        "PUT", f"/api/identity/v1/users/{user['id']}/password", json={"password": "long enough"}
    )
    gateway.sign_in("mo@example.com", "long enough").get(ACCOUNTS)
    token = service.last.headers["Authorization"].removeprefix("Bearer ")
    keys = KeySource(f"{gateway.address}/api/auth/keys").keys
    principal = TokenVerifier(keys, "crm-customer", principal_of).verify(token)
    assert principal.id == user["id"]
    assert (principal.name, principal.kind, principal.team_id) == ("Mo", "user", team["id"])
    assert principal.roles == ("mixed",)
    assert principal.grants == {"customer.accounts.read": "team"}
    with pytest.raises(Problem) as refused:
        TokenVerifier(keys, "crm-sales", principal_of).verify(token)
    assert refused.value.code == "token-audience"


def test_a_service_never_sees_the_clients_token_nor_forged_identity(
    admin: Caller, service: StubService
) -> None:
    forged = {
        "X-User-Id": "root",
        "X-Forwarded-For": "10.0.0.1",
        "X-Forwarded-User": "root",
        "Forwarded": "for=10.0.0.1",
        "X-Real-IP": "10.0.0.1",
        "X-Remote-User": "root",
        "X-Principal": "root",
        "X-Http-Method-Override": "DELETE",
        "Cookie": "session=root",
    }
    admin.get(ACCOUNTS, headers=forged)
    received = {name.lower() for name in service.last.headers}
    assert received.isdisjoint(name.lower() for name in forged)
    assert admin.tokens["access_token"] not in json.dumps(service.last.headers)


def test_a_services_token_opens_no_door_of_the_gateway(
    gateway: Running, admin: Caller, service: StubService
) -> None:
    admin.get(ACCOUNTS)
    internal = {"Authorization": service.last.headers["Authorization"]}
    answer = gateway.call("GET", ACCOUNTS, headers=internal)
    problem(answer, 401, "token-audience")


def test_hop_by_hop_headers_stay_on_their_hop(admin: Caller, service: StubService) -> None:
    def behave(_environ: Any, start_response: Any) -> list[bytes]:
        headers = [("Content-Length", "2"), ("Keep-Alive", "timeout=5"), ("X-Kept", "yes")]
        start_response("200 OK", headers)
        return [b"ok"]

    service.behaviour = behave
    headers = {"Connection": "close, If-Match", "If-Match": '"1"', "TE": "trailers"}
    answer = admin.get(ACCOUNTS, headers=headers)
    assert {"If-Match", "Te"}.isdisjoint(service.last.headers)
    assert answer.headers["X-Kept"] == "yes"
    assert "Keep-Alive" not in answer.headers


def test_headers_that_the_services_connection_header_names_are_dropped(tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: X-Mine\r\nX-Mine: 1\r\n\r\nok"
    with raw_service(answer) as server, in_front_of(server, tmp_path) as admin:
        got = admin.get(ACCOUNTS)
    assert got.data == b"ok"
    assert "X-Mine" not in got.headers


def test_answers_have_security_headers_and_tell_nothing_of_the_inside(
    admin: Caller, service: StubService, service_address: str
) -> None:
    service.behaviour = answering(
        b"{}",
        "201 Created",
        {"Location": f"{service_address}/v1/accounts/7?x=1", "Server": "inner"},
    )
    answer = admin.post(ACCOUNTS, {})
    assert answer.headers["Location"] == "/api/customer/v1/accounts/7?x=1"
    assert "inner" not in str(answer.headers)
    assert urlsplit(service_address).netloc not in str(answer.headers)
    assert service.last.headers["Authorization"] not in str(answer.headers)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    assert answer.headers["Cache-Control"] == "no-store"


def test_relative_and_foreign_locations(admin: Caller, service: StubService) -> None:
    service.behaviour = answering(b"", "303 See Other", {"Location": "/v1/imports/9"})
    assert admin.get(ACCOUNTS).headers["Location"] == "/api/customer/v1/imports/9"
    service.behaviour = answering(b"", "303 See Other", {"Location": "https://example.com/v1/a"})
    assert admin.get(ACCOUNTS).headers["Location"] == "https://example.com/v1/a"


def test_the_services_cache_control_is_kept(admin: Caller, service: StubService) -> None:
    service.behaviour = answering(b"{}", headers={"Cache-Control": "private, max-age=5"})
    assert admin.get(ACCOUNTS).headers["Cache-Control"] == "private, max-age=5"


@pytest.mark.parametrize(
    "path",
    [
        "/api/customer/v1/../../metrics",
        "/api/customer/v1/%2e%2e/metrics",
        "/api/customer/v1/a/%2E%2E%2f%2e%2e/metrics",
        "/api/customer/v1/a/./b",
        "/api/customer/v1//accounts",
        "/api/customer/v1/a%5c..%5cb",
        "/api/customer/v1/a%00b",
        "/api/customer/v1/a%0d%0aX-Evil:1",
    ],
)
def test_ambiguous_paths_are_refused(
    gateway: Running, admin: Caller, service: StubService, path: str
) -> None:
    connection = http.client.HTTPConnection(urlsplit(gateway.address).netloc, timeout=5)
    connection.request("GET", path, headers=admin.authorization)
    answer = connection.getresponse()
    assert answer.status == 400
    assert json.loads(answer.read())["type"] == "urn:crm:problem:path-malformed"
    assert service.seen == []


@pytest.mark.parametrize(
    "path",
    ["/api/customer/metrics", "/api/customer", "/api/customer/v2/x", "/api/nobody/v1/x", "/api/"],
)
def test_nothing_but_the_api_of_known_services_is_reachable(
    admin: Caller, service: StubService, path: str
) -> None:
    problem(admin.get(path), 404, "not-found")
    assert service.seen == []


@given(st.text(max_size=40))
def test_a_clean_path_has_one_reading(tail: str) -> None:
    path = f"/v1/{tail}"
    if is_clean(path):
        segments = path.split("/")[1:]
        assert "" not in segments[:-1]
        assert not {".", ".."} & set(segments)
        assert "\\" not in path


def test_escapes_arrive_as_they_were_meant(admin: Caller, service: StubService) -> None:
    admin.get("/api/customer/v1/accounts/%E6%9D%8E%20x%252e")
    assert service.last.path == "/v1/accounts/%E6%9D%8E%20x%252e"


class _Blocks:
    """A request's body of ``count`` blocks, that knows how many were read."""

    def __init__(self, count: int) -> None:
        self.left = count
        self.read_bytes = 0

    def read(self, size: int) -> bytes:
        block = b"x" * min(size, BLOCK) if self.left else b""
        self.left -= 1
        self.read_bytes += len(block)
        return block


def post_body(gateway: Running, caller: Caller, source: Any, **environ: str) -> TestResponse:
    return Client(gateway.app).post(
        ACCOUNTS,
        headers=caller.authorization,
        environ_overrides={"wsgi.input": source, **environ},
    )


def test_a_body_over_the_limit_is_refused_before_it_is_read(
    gateway: Running, admin: Caller, service: StubService
) -> None:
    source = _Blocks(400)
    answer = post_body(gateway, admin, source, CONTENT_LENGTH="20000000")
    assert answer.status_code == 413
    assert answer.json["type"] == "urn:crm:problem:too-large"
    assert source.read_bytes == 0
    assert service.seen == []


def test_a_body_of_unknown_length_is_counted_while_it_streams(
    gateway: Running, admin: Caller
) -> None:
    source = _Blocks(400)
    answer = post_body(gateway, admin, source, HTTP_TRANSFER_ENCODING="chunked")
    assert answer.status_code == 413
    assert source.read_bytes <= 5_000_000 + BLOCK


def test_chunked_bodies_arrive_whole(admin: Caller, service: StubService) -> None:
    blocks = [b"a" * 100_000, b"b", b"c" * 50_000]
    answer = admin.call("POST", ACCOUNTS, body=iter(blocks))
    assert answer.status == 200
    assert service.last.body == b"".join(blocks)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/api/customer/v1/imports/1/content"),
        ("POST", "/api/customer/v1/interactions/1/attachments?filename=a.mp4"),
    ],
)
def test_a_file_may_be_larger_than_a_document(
    tmp_path: Path, service: StubService, service_address: str, method: str, path: str
) -> None:
    settings = settings_for(tmp_path, service_address, upload_bytes=12_000_000)
    content = b"0123456789" * 1_000_000
    with running_gateway(settings) as gateway:
        admin = gateway.sign_in()
        assert admin.call(method, path, body=content).status == 200
        assert service.last.body == content
        answer = Client(gateway.app).open(
            path, method=method, headers=admin.authorization, content_length=12_000_001
        )
        assert answer.status_code == 413


@pytest.mark.parametrize("stated", ["100000", "9000000000000", "ten", "-1"])
def test_a_body_that_is_not_as_stated_is_no_fault_of_the_service(
    gateway: Running, admin: Caller, stated: str
) -> None:
    answer = post_body(gateway, admin, _Blocks(1), CONTENT_LENGTH=stated)
    assert answer.status_code in (400, 413)
    assert answer.json["type"] in ("urn:crm:problem:malformed", "urn:crm:problem:too-large")


def test_answers_are_streamed_as_they_come(admin: Caller, service: StubService) -> None:
    more = threading.Event()

    def behave(_environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/csv")])
        yield b"first"
        assert more.wait(10)
        yield b"second"

    service.behaviour = behave
    answer = admin.get(ACCOUNTS, preload_content=False)
    parts = answer.stream(1024)
    assert next(parts) == b"first"
    more.set()
    assert b"".join(parts) == b"second"


def test_large_answers_are_whole(admin: Caller, service: StubService) -> None:
    content = b"0123456789" * 300_000
    service.behaviour = answering(content)
    assert admin.get(ACCOUNTS).data == content


def test_an_answer_cut_short_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n" + b"x" * 200_000
    with (
        raw_service(cut) as server,
        in_front_of(server, tmp_path) as admin,
        pytest.raises(ProtocolError),
    ):
        admin.get(ACCOUNTS)


def test_a_service_that_is_away_is_a_503(admin: Caller) -> None:
    answer = admin.get("/api/reporting/v1/kpis")
    body = problem(answer, 503, "service-away")
    assert answer.headers["Retry-After"] == "2"
    assert body["instance"] == "/api/reporting/v1/kpis"
    assert "127.0.0.1" not in answer.data.decode()


def test_a_slow_service_is_a_504(admin: Caller, service: StubService) -> None:
    enough = threading.Event()

    def behave(_environ: Any, _start_response: Any) -> list[bytes]:
        enough.wait(10)
        raise ConnectionAbortedError

    service.behaviour = behave
    problem(admin.get(ACCOUNTS), 504, "service-slow")
    enough.set()


def test_a_slow_service_does_not_take_the_others_with_it(
    tmp_path: Path, service: StubService, service_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_gateway.proxy.PLACE_SECONDS", 0.05)
    enough, waiting = threading.Event(), threading.Semaphore(0)

    def behave(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/v1/slow":
            waiting.release()
            assert enough.wait(10)
        start_response("204 No Content", [])
        return []

    service.behaviour = behave
    settings = settings_for(tmp_path, service_address, web_threads=4)
    with running_gateway(settings) as gateway, ThreadPoolExecutor(3) as pool:
        admin = gateway.sign_in()
        slow = [pool.submit(admin.get, "/api/customer/v1/slow") for _ in range(3)]
        assert all(waiting.acquire(timeout=5) for _ in slow)
        answer = admin.get(ACCOUNTS)
        problem(answer, 503, "service-busy")
        assert answer.headers["Retry-After"] == "2"
        assert admin.get("/api/sales/v1/leads").status == 204
        enough.set()
        assert {future.result().status for future in slow} <= {204, 504}
        assert admin.get(ACCOUNTS).status == 204


def test_answers_that_are_still_being_read_do_not_take_the_other_services_with_them(
    tmp_path: Path, service: StubService, service_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_gateway.proxy.PLACE_SECONDS", 0.05)

    def behave(environ: Any, start_response: Any) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/csv")])
        yield b"first"
        if environ["PATH_INFO"] == "/v1/exports/accounts":
            while True:
                yield b"x" * BLOCK

    service.behaviour = behave
    settings = settings_for(tmp_path, service_address, web_threads=4)
    with running_gateway(settings) as gateway:
        admin = gateway.sign_in()
        exports = [
            admin.get("/api/customer/v1/exports/accounts", preload_content=False) for _ in range(3)
        ]
        assert all(export.read(5) == b"first" for export in exports)
        problem(admin.get(ACCOUNTS), 503, "service-busy")
        assert admin.get("/api/sales/v1/leads").data == b"first"
        exports[0].close()
        eventually(lambda: admin.get(ACCOUNTS).status == 200)
        for export in exports[1:]:
            export.close()


def in_progress(gateway: Running) -> str:
    metrics = gateway.call("GET", "/metrics").data.decode()
    return re.findall(r"^crm_requests_in_progress (\S+)$", metrics, re.M)[0]


@pytest.mark.parametrize("failing", ["urllib3.response.HTTPResponse.close", None])
def test_an_answer_that_cannot_be_sent_or_closed_occupies_nothing(
    tmp_path: Path,
    service: StubService,
    service_address: str,
    monkeypatch: pytest.MonkeyPatch,
    failing: str | None,
) -> None:
    """Without ``failing``, it is the server that cannot send the headers."""
    monkeypatch.setattr("crm_gateway.proxy.PLACE_SECONDS", 0.05)
    service.behaviour = answering(b"x" * 2 * BLOCK)

    def broken(*_: Any) -> None:
        raise OSError("broken")

    settings = settings_for(tmp_path, service_address, web_threads=1)
    with running_gateway(settings) as gateway:
        admin = gateway.sign_in()
        environ = EnvironBuilder(path=ACCOUNTS, headers=admin.authorization).get_environ()
        with monkeypatch.context() as patched, pytest.raises(OSError, match="broken"):
            if failing:
                patched.setattr(failing, broken)
            gateway.app(environ, (lambda *_: None) if failing else broken).close()
        assert in_progress(gateway) == "0.0"
        assert admin.get(ACCOUNTS).status == 200


@dataclass
class RawService:
    """What a server on a bare socket got.

    :ivar accepted: the connections made to it.
    """

    address: str
    requests: list[bytes] = field(default_factory=list)
    accepted: int = 0


@contextmanager
def raw_service(*answers: bytes) -> Iterator[RawService]:
    """Give one of ``answers`` to each request; close the connection for an empty one."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = RawService(f"http://127.0.0.1:{listener.getsockname()[1]}")
    left = list(answers)

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            server.accepted += 1
            with connection:
                while left and (request := connection.recv(65536)):
                    server.requests.append(request)
                    answer = left.pop(0)
                    if not answer:
                        break
                    connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield server
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


@contextmanager
def in_front_of(server: RawService, folder: Path) -> Iterator[Caller]:
    with running_gateway(settings_for(folder, server.address)) as gateway:
        yield gateway.sign_in()


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_a_stale_connection_is_replaced_for_a_safe_request_only(tmp_path: Path) -> None:
    with raw_service(OK, b"", OK, b"", OK) as server, in_front_of(server, tmp_path) as admin:
        assert admin.get(ACCOUNTS).data == b"ok"
        assert admin.get(ACCOUNTS).data == b"ok"
        assert len(server.requests) == 3
        body = problem(admin.post(ACCOUNTS, {}), 503, "service-lost")
        assert "Idempotency-Key" in body["detail"]
        assert len(server.requests) == 4


def test_a_change_with_a_key_is_sent_again(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "once"}
    with raw_service(OK, b"", OK, b"", b"") as server, in_front_of(server, tmp_path) as admin:
        assert admin.get(ACCOUNTS).data == b"ok"
        assert admin.call("POST", ACCOUNTS, headers=key).data == b"ok"
        lost, again = server.requests[1:]
        assert lost == again
        problem(admin.call("POST", ACCOUNTS, headers=key), 503, "service-lost")
        assert len(server.requests) == 5  # once again and no more


def test_a_refused_connection_is_tried_once_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = connection.create_connection
    refusals = [ConnectionRefusedError("ending")]

    def connect(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        if address[1] == port and refusals:
            raise refusals.pop()
        return real(address, *args, **options)

    with raw_service(OK) as server, in_front_of(server, tmp_path) as admin:
        port = int(server.address.rpartition(":")[2])
        monkeypatch.setattr(connection, "create_connection", connect)
        assert admin.post(ACCOUNTS, {}).data == b"ok"
        assert len(server.requests) == 1


def test_what_is_no_http_is_a_502(tmp_path: Path) -> None:
    with raw_service(b"SSH-2.0-OpenSSH\r\n") as server, in_front_of(server, tmp_path) as admin:
        problem(admin.get(ACCOUNTS), 502, "bad-answer")


def test_connections_are_kept(tmp_path: Path) -> None:
    with raw_service(OK, OK, OK) as server, in_front_of(server, tmp_path) as admin:
        for _ in range(3):
            assert admin.get(ACCOUNTS).status == 200
    assert len(server.requests) == 3
    assert server.accepted == 1


def test_the_correlation_id_is_kept_or_made(admin: Caller, service: StubService) -> None:
    answer = admin.get(ACCOUNTS, headers={"X-Correlation-ID": "order-7"})
    assert answer.headers["X-Correlation-ID"] == "order-7"
    assert service.last.headers["X-Correlation-Id"] == "order-7"
    answer = admin.get(ACCOUNTS, headers={"X-Correlation-ID": "x" * 100})
    assert answer.headers["X-Correlation-ID"] == service.last.headers["X-Correlation-Id"]
    assert len(answer.headers["X-Correlation-ID"]) == 32


@pytest.mark.parametrize("path", [ACCOUNTS, "/api/identity/v1/me"])
@pytest.mark.parametrize(
    ("given", "kept"), [("order 7/8", True), ("x" * 64, True), ("x" * 65, False), ("a\tb", False)]
)
def test_the_gateways_own_resources_and_the_services_keep_the_same_correlation_ids(
    admin: Caller, path: str, given: str, kept: bool
) -> None:
    answer = admin.get(path, headers={"X-Correlation-ID": given})
    assert (answer.headers["X-Correlation-ID"] == given) is kept
