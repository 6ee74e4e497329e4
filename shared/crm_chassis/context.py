"""Who is acting, and in answer to what: set at the edge of a request or a batch, read below it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """What a recorded event says of its origin.

    :ivar actor: a principal's id, or the name of the service that acts by itself.
    :ivar correlation_id: one id for all that follows from one request; None starts a new one.
    """

    actor: str
    correlation_id: str | None = None


def correlation_id_of(header: str) -> str:
    """The correlation id of a request: the one it was given, if that can be kept, or a new one.

    :param header: ``X-Correlation-ID``; empty where there is none.
    """
    kept = 0 < len(header) <= 64 and header.isprintable()
    return header if kept else secrets.token_hex(16)


_origin: ContextVar[Origin | None] = ContextVar("crm_origin", default=None)


def current_origin() -> Origin | None:
    return _origin.get()


@contextmanager
def acting(origin: Origin) -> Iterator[None]:
    """Let every event recorded in the block carry ``origin``."""
    token = _origin.set(origin)
    try:
        yield
    finally:
        _origin.reset(token)
