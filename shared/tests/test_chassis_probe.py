"""The health check of the images says what the process in the container says of itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from crm_chassis import probe
from crm_chassis.testing_runtimes import free_port


@pytest.fixture
def answering() -> Iterator[Callable[[int], int]]:
    """Starts something that answers ``/readyz`` with a status; gives its port."""
    servers: list[ThreadingHTTPServer] = []

    def serve(status: int) -> int:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status if self.path == "/readyz" else 404)
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return server.server_port

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("api", "worker", "status"),
    [(200, None, 0), (503, None, 1), (None, 200, 0), (None, 503, 1), (None, None, 1)],
)
def test_it_tells_of_the_process_that_is_there(
    answering: Callable[[int], int],
    monkeypatch: pytest.MonkeyPatch,
    api: int | None,
    worker: int | None,
    status: int,
) -> None:
    for name, answer in (("BIND", api), ("PROBE_BIND", worker)):
        port = free_port() if answer is None else answering(answer)
        monkeypatch.setenv(name, f"0.0.0.0:{port}")
    assert probe.main() == status
