"""Generates load on an HTTP server of this machine, from a process of its own.

A whole client library would cost as much as what it measures, so requests are bytes made
beforehand, and of an answer only its status and length are read.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Any
from urllib.parse import urlsplit

_LOOPBACK = "127.0.0.1"
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Load:
    """What is sent.

    :ivar address: ``http://127.0.0.1:8000``; nothing but the loopback is ever loaded.
    :ivar requests: paths with their queries, and what is sent there as JSON, None being nothing;
        the connections go round them, each from a place of its own.
    :ivar connections: each sends its next request when it has the answer to the one before.
    """

    address: str
    method: str
    requests: Sequence[tuple[str, Any]]
    headers: Mapping[str, str]
    connections: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it: answers by status, answers a second, and times to answer in order."""

    statuses: Mapping[str, int]
    per_second: float
    milliseconds: Sequence[float]


def generate(load: Load, expected: int) -> Outcome:
    """Generate a load in a process of its own.

    :param expected: the only status that counts as an answer.
    :raises RuntimeError: when others came.
    """
    done = subprocess.run(
        [sys.executable, "-m", "bench.load"],
        input=json.dumps(asdict(load)),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=load.seconds + _ANSWER_SECONDS,
    )
    outcome = Outcome(**json.loads(done.stdout))
    if set(outcome.statuses) != {str(expected)}:
        raise RuntimeError(f"{load.method} {load.requests[0][0]} was answered {outcome.statuses}")
    return outcome


class _Connection:
    def __init__(self, address: tuple[str, int]) -> None:
        self._socket = socket.create_connection(address, timeout=_ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._answers = self._socket.makefile("rb")

    def exchange(self, request: bytes) -> int:
        """Send a request, take its answer, give its status."""
        self._socket.sendall(request)
        status = int(self._answers.readline().split(b" ", 2)[1])
        length = 0
        while (line := self._answers.readline()) != b"\r\n":
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        self._answers.read(length)
        return status


def _encoded(load: Load, host: str, target: str, body: Any) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    headers = {"Host": host, **load.headers}
    if content:
        headers["Content-Length"] = str(len(content))
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"{load.method} {target} HTTP/1.1\r\n{lines}\r\n".encode() + content


def _run(load: Load) -> Outcome:
    url = urlsplit(load.address)
    if url.hostname != _LOOPBACK or url.port is None:
        raise ValueError(f"{load.address} is not on the loopback")
    address = url.hostname, url.port
    requests = [_encoded(load, url.netloc, target, body) for target, body in load.requests]
    statuses: Counter[str] = Counter()
    times: list[float] = []
    connections = [_Connection(address) for _ in range(load.connections)]
    started = time.perf_counter()
    end = started + load.seconds

    def work(number: int) -> None:
        first = number * len(requests) // load.connections
        for request in islice(cycle(requests), first, None):
            sent = time.perf_counter()
            if sent > end:
                return
            status = connections[number].exchange(request)
            times.append(time.perf_counter() - sent)
            statuses[str(status)] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(load.connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed = time.perf_counter() - started
    return Outcome(dict(statuses), len(times) / elapsed, sorted(1000 * each for each in times))


if __name__ == "__main__":
    print(json.dumps(asdict(_run(Load(**json.load(sys.stdin))))))
