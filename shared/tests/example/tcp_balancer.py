"""What a Kubernetes Service is to its clients: one address, several servers behind it."""

from __future__ import annotations

import itertools
import socket
import threading
from contextlib import suppress


class TcpBalancer:
    """Hands each new connection to the next of the servers; one that is open stays where it is.

    It does not try another server when one refuses: neither does a Service.

    :ivar port: where it listens, on the loopback.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._servers: list[int] = []
        self._turn = itertools.count()
        threading.Thread(target=self._serve, daemon=True).start()

    def send_to(self, *ports: int) -> None:
        """Hand new connections to the servers at these ports from now on, in turn."""
        self._servers = list(ports)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._connect, args=(near,), daemon=True).start()

    def _connect(self, near: socket.socket) -> None:
        servers = self._servers
        port = servers[next(self._turn) % len(servers)]
        try:
            far = socket.create_connection(("127.0.0.1", port))
        except OSError:
            near.close()
            return
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_pump, args=(near, far), daemon=True).start()
        _pump(far, near)


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Move what comes from one end to the other, and hand the end of it on."""
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
