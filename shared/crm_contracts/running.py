"""Asks what runs, through the gateway, for its statements."""

from __future__ import annotations

import os
from collections.abc import Iterable

import urllib3

from crm_contracts.statements import MalformedStatement, Statement, read_statement

_SECONDS = 30.0


class NotAnswered(Exception):
    """The platform did not say what runs; the message says who, and why."""


def ask(gateway: str, services: Iterable[str]) -> list[Statement]:
    """The statement of each service behind a gateway, as an API client that may read it.

    The client is that of ``CRM_CLIENT_ID`` and ``CRM_CLIENT_SECRET``. Where two versions of a
    service run, one of them answers: do not ask in the middle of a roll-out.

    :param gateway: its address, ``https://crm.example.com``.
    :raises NotAnswered: for the first who does not.
    """
    pool = urllib3.PoolManager(timeout=_SECONDS, retries=urllib3.Retry(3, redirect=0))
    address = gateway.rstrip("/")
    token = _token(pool, address)
    return [_statement(pool, address, token, service) for service in services]


def _token(pool: urllib3.PoolManager, address: str) -> str:
    try:
        fields = {
            "grant_type": "client_credentials",
            "client_id": os.environ["CRM_CLIENT_ID"],
            "client_secret": os.environ["CRM_CLIENT_SECRET"],
        }
    except KeyError as missing:
        raise NotAnswered(f"{missing.args[0]} is not set") from None
    answer = _answer(
        pool, "POST", f"{address}/api/auth/token", fields=fields, encode_multipart=False
    )
    return str(answer.json()["access_token"])


def _statement(pool: urllib3.PoolManager, address: str, token: str, service: str) -> Statement:
    place = "identity" if service == "gateway" else service
    url = f"{address}/api/{place}/v1/events/contracts"
    answer = _answer(pool, "GET", url, headers={"Authorization": f"Bearer {token}"})
    try:
        return read_statement(answer.data)
    except MalformedStatement as error:
        raise NotAnswered(f"{url}: {error}") from None


def _answer(
    pool: urllib3.PoolManager, method: str, url: str, **sent: object
) -> urllib3.BaseHTTPResponse:
    try:
        answer = pool.request(method, url, **sent)  # type: ignore[arg-type]  # fields or headers
    except urllib3.exceptions.HTTPError as error:
        raise NotAnswered(f"{url}: {error}") from None
    if answer.status != 200:
        raise NotAnswered(f"{url} answered {answer.status}")
    return answer
