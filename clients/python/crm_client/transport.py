"""HTTP with time-outs, repeats that are safe, and problems as exceptions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import IO, Any
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.util import Retry, Timeout

from crm_client.errors import UnexpectedAnswerError, UnreachableError, problem_of

CONNECT_SECONDS = 5.0
LONGEST_WAIT_SECONDS = 60
_IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "PUT", "DELETE"})
_NOT_ACTED_ON = frozenset({429, 503})
_PERHAPS_ACTED_ON = frozenset({502, 504})

Params = Mapping[str, Any]
Body = bytes | IO[bytes]


class Transport:
    """A pool of connections to one platform.

    :param base_url: address of the gateway, ``https://crm.example.com``.
    :param read_seconds: longest silence of the platform within an answer.
    :param repeats: how often a request that may be repeated safely is sent again.
    :raises ValueError: when the address is not an http or https one.
    """

    def __init__(self, base_url: str, *, read_seconds: float = 60.0, repeats: int = 4) -> None:
        self.base_url = _checked(base_url)
        self._repeats = repeats
        self._pool = urllib3.PoolManager(
            maxsize=8, timeout=Timeout(connect=CONNECT_SECONDS, read=read_seconds)
        )

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Body | None = None,
        headers: Mapping[str, str] | None = None,
        stream: bool = False,
        wait_for_limits: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        """Send one request and return the answer; redirects are not followed.

        A request is sent again after a broken connection, 429, 502, 503 or 504 if it carries an
        Idempotency-Key, or its method is idempotent and it has no If-Match; any other only if it
        cannot have been acted on.
        A file as body is read in blocks and rewound for each repeat.

        :param params: query; None values are left out, lists are repeated.
        :param stream: leave the body of the answer unread, for the caller to read and release.
        :param wait_for_limits: sit out a rate limit (429); else it is raised at once.
        :raises UnreachableError: no complete answer came.
        :raises ProblemError: the platform refused.
        """
        url = self.base_url + path + _query(params)
        try:
            response = self._pool.request(
                method,
                url,
                body=body,
                headers={"User-Agent": "crm-client", "Accept-Encoding": "gzip", **(headers or {})},
                retries=self._policy(method, headers or {}, wait_for_limits),
                redirect=False,
                preload_content=not stream,
            )
            if response.status >= 300:
                raise problem_of(response)
        except urllib3.exceptions.HTTPError as error:
            raise unreachable(url, error) from error
        return response

    def _policy(self, method: str, headers: Mapping[str, str], wait_for_limits: bool) -> Retry:
        # A repeated If-Match would fail on the version that the first one made.
        idempotent = method in _IDEMPOTENT_METHODS and "If-Match" not in headers
        repeatable = idempotent or "Idempotency-Key" in headers
        statuses = _NOT_ACTED_ON | _PERHAPS_ACTED_ON if repeatable else _NOT_ACTED_ON
        return Retry(
            total=self._repeats,
            read=self._repeats if repeatable else 0,
            other=0,
            allowed_methods=None,
            status_forcelist=statuses if wait_for_limits else statuses - {429},
            respect_retry_after_header=wait_for_limits,
            retry_after_max=LONGEST_WAIT_SECONDS,
            raise_on_status=False,
            backoff_factor=0.2,
            backoff_jitter=0.2,
        )


def unreachable(url: str, error: urllib3.exceptions.HTTPError) -> UnreachableError:
    """The failure of the connection, in words."""
    reason = error.reason if isinstance(error, urllib3.exceptions.MaxRetryError) else error
    return UnreachableError(f"{url.partition('?')[0]} gave no complete answer: {reason}")


def json_of(response: urllib3.BaseHTTPResponse) -> Any:
    """The JSON of an answer, None when its body is empty.

    :raises UnexpectedAnswerError: the answer is something else.
    """
    if not response.data:
        return None
    try:
        return json.loads(response.data)
    except ValueError:
        kind = response.headers.get("Content-Type", "something untyped")
        raise UnexpectedAnswerError(
            f"the answer is {kind}, not JSON: is this the platform's address?"
        ) from None


def _checked(base_url: str) -> str:
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{base_url!r} is no address such as https://crm.example.com")
    return base_url.rstrip("/")


def _query(params: Params | None) -> str:
    given = {name: value for name, value in (params or {}).items() if value is not None}
    return f"?{urlencode(given, doseq=True)}" if given else ""
