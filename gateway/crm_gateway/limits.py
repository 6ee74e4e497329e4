"""How often a principal may ask, and how often a sign-in may fail."""

from __future__ import annotations

import hashlib
import ipaddress
import itertools
import math
import threading
import time
from collections.abc import Sequence
from typing import cast

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

from crm_chassis.problems import Problem
from crm_gateway.wsgi import Headers

FAILURES_PER_ACCOUNT = "5/minute;15/hour;50/day"
FAILURES_PER_ADDRESS = "30/minute;200/hour"
"""The longer it fails, the longer it waits. An address may be that of a whole office."""
KNOWN_SECONDS = 30 * 86_400
"""How long an address is remembered as one that a user has signed in from."""

IN_MEMORY = "memory://"
_SWEEP_AFTER = 10_000  # counts


def storage_at(url: str) -> Storage:
    """Where counts are kept: ``memory://`` for one process, ``redis://host`` for several."""
    return SweptMemory() if url == IN_MEMORY else cast(Storage, storage_from_string(url))


class SweptMemory(MemoryStorage):
    """Counts in memory, where what has expired is dropped now and then, by whoever counts.

    The library's own way, a new thread for it each 10 ms, took a tenth of a request's time.
    """

    def __init__(self) -> None:
        super().__init__(IN_MEMORY)
        self.timer.cancel()
        self.timer = cast(threading.Timer, _Alive())
        self._counted = itertools.count(1)

    def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        if next(self._counted) % _SWEEP_AFTER == 0:
            self.sweep()
        return super().incr(key, expiry, amount)

    def sweep(self) -> None:
        """Drop every count that has expired."""
        for key in list(self.expirations):
            self.get(key)
        for key, entries in list(self.events.items()):
            if not entries or entries[0].expiry <= time.time():
                self.clear(key)


class _Alive:
    """Keeps the library from starting its timer."""

    def is_alive(self) -> bool:
        return True


class RequestLimits:
    """Requests of one principal in a time.

    :param rates: such as ``100/second;3000/minute``; the first is the one told to clients.
    """

    def __init__(self, storage: Storage, rates: str) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._items = parse_many(rates)
        self._policy = ", ".join(
            f'"{name}";q={item.amount};w={item.get_expiry()}' for name, item in self._named()
        )

    def _named(self) -> Sequence[tuple[str, RateLimitItem]]:
        return [(item.GRANULARITY.name, item) for item in self._items]

    def count(self, principal_id: str) -> Headers:
        """Count a request in, and give the headers that say what is left.

        The headers are those of draft-ietf-httpapi-ratelimit-headers.

        :raises Problem: 429 when it is one too many; with the same headers, and ``Retry-After``.
        """
        refused = [item for item in self._items if not self._limiter.hit(item, principal_id)]
        headers = self._headers(principal_id)
        if not refused:
            return headers
        seconds = max(self._seconds_left(item, principal_id) for item in refused)
        raise Problem(
            429,
            "rate-limited",
            f"More requests than allowed; try again in {seconds} s.",
            headers={**dict(headers), "Retry-After": str(seconds)},
        )

    def _headers(self, principal_id: str) -> Headers:
        left = []
        for name, item in self._named():
            stats = self._limiter.get_window_stats(item, principal_id)
            left.append(f'"{name}";r={stats.remaining};t={_seconds_until(stats.reset_time)}')
        return [("RateLimit-Policy", self._policy), ("RateLimit", ", ".join(left))]

    def _seconds_left(self, item: RateLimitItem, principal_id: str) -> int:
        return _seconds_until(self._limiter.get_window_stats(item, principal_id).reset_time)


class SignInThrottle:
    """Attempts to sign in to one account, and failures from one address.

    Accounts that do not exist are counted like those that do, so that being throttled tells
    nothing about them. An address that the account's user has signed in from has attempts of its
    own at it: what strangers use up elsewhere does not lock out the user there.

    Addresses of IPv6 count by network of 64 bits, which is the least that anybody gets.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._limiter = MovingWindowRateLimiter(storage)
        self._account = parse_many(FAILURES_PER_ACCOUNT)
        self._address = parse_many(FAILURES_PER_ADDRESS)

    def enter(self, account: str, address: str) -> None:
        """Count an attempt as failed until it has succeeded: many at once are no way around.

        :raises Problem: 429 when there were too many.
        """
        self.check_address(address)
        key = self._attempts(account, address)
        for item in self._account:
            if not self._limiter.hit(item, *key):
                raise self._refusal(item, *key)

    def check_address(self, address: str) -> None:
        """:raises Problem: 429 when there were too many failures of the address."""
        for item in self._address:
            if not self._limiter.test(item, "address", _network(address)):
                raise self._refusal(item, "address", _network(address))

    def failed(self, account: str, address: str) -> bool:
        """Count a failure of the address.

        :returns: True when this failure was the last that the account may have for now.
        """
        self.count_failure(address)
        key = self._attempts(account, address)
        return not all(self._limiter.test(item, *key) for item in self._account)

    def count_failure(self, address: str) -> None:
        """Count a failure of the address, whosever account it was at."""
        for item in self._address:
            self._limiter.hit(item, "address", _network(address))

    def succeeded(self, account: str, address: str) -> None:
        """Forget the account's failures, and remember the address as one of its user's.

        An address with one good account stays suspect.
        """
        key = self._attempts(account, address)
        for item in self._account:
            self._limiter.clear(item, *key)
        known = _known(account, address)
        self._storage.clear(known)
        self._storage.incr(known, KNOWN_SECONDS)

    def _attempts(self, account: str, address: str) -> tuple[str, ...]:
        """What attempts at an account are counted by."""
        known = _known(account, address)
        return ("account", known if self._storage.get(known) else _hidden(account))

    def _refusal(self, item: RateLimitItem, *key: str) -> Problem:
        seconds = _seconds_until(self._limiter.get_window_stats(item, *key).reset_time)
        return Problem(
            429,
            "too-many-sign-ins",
            f"Too many failed sign-ins; try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )


def _hidden(text: str) -> str:
    """Accounts are e-mail addresses, and the storage may be another one's."""
    return hashlib.sha256(text.encode()).hexdigest()


def _known(account: str, address: str) -> str:
    return f"known/{_hidden(account)}/{_hidden(_network(address))}"


def _network(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:  # a socket of this machine has none
        return address
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is None:
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return address


def _seconds_until(moment: float) -> int:
    return max(1, math.ceil(moment - time.time()))
