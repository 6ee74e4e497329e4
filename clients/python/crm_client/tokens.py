"""Access tokens: getting, keeping, renewing and giving them back (OAuth 2, RFC 6749 and 7009)."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import click
from filelock import FileLock
from urllib3 import BaseHTTPResponse

from crm_client.errors import MalformedRequestError, NotSignedInError, UnauthenticatedError
from crm_client.transport import Transport, json_of

RENEW_BEFORE_SECONDS = 30
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True, slots=True)
class PasswordGrant:
    """Signs a person in."""

    email: str
    password: str = field(repr=False)

    def form(self) -> dict[str, str]:
        """The fields that the token endpoint asks for."""
        return {"grant_type": "password", "username": self.email, "password": self.password}


@dataclass(frozen=True, slots=True)
class ClientGrant:
    """Signs an API client in."""

    client_id: str
    client_secret: str = field(repr=False)

    def form(self) -> dict[str, str]:
        """The fields that the token endpoint asks for."""
        return {"grant_type": "client_credentials", **asdict(self)}


Grant = PasswordGrant | ClientGrant


@dataclass(frozen=True, slots=True)
class Token:
    """What the token endpoint gave.

    :ivar expires_at: end of the access token's life, seconds since 1970.
    :ivar refresh_token: good for one renewal; None for API clients, who sign in anew.
    """

    access_token: str = field(repr=False)
    expires_at: float
    refresh_token: str | None = field(default=None, repr=False)

    @property
    def fresh(self) -> bool:
        """True while it will live long enough for a request."""
        return time.time() < self.expires_at - RENEW_BEFORE_SECONDS


@dataclass(frozen=True, slots=True)
class SignIn:
    """One stored sign-in: its token and, for an API client, what gets the next one."""

    token: Token
    grant: ClientGrant | None = None


class TokenStore:
    """Sign-ins by platform, in a file that only its owner can read.

    :param path: by default ``tokens.json`` in the ``crm`` folder of the platform's place for
        settings (``~/.config``, ``~/Library/Application Support``, ``%APPDATA%``).
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or Path(click.get_app_dir("crm")) / "tokens.json"

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep other processes from renewing meanwhile: a refresh token must not be used twice."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(self.path.with_suffix(".lock")):
            yield

    def current(self) -> str | None:
        """Address of the platform signed in to last."""
        return self._read().get("current")

    def load(self, base_url: str) -> SignIn | None:
        """The sign-in kept for this address, None when there is none."""
        kept = self._read().get("platforms", {}).get(base_url)
        if kept is None:
            return None
        grant = ClientGrant(**kept["client"]) if kept["client"] else None
        return SignIn(Token(**kept["token"]), grant)

    def save(self, base_url: str, sign_in: SignIn) -> None:
        """Keep it, and make this address the current one."""
        content = self._read()
        client = asdict(sign_in.grant) if sign_in.grant else None
        entry = {"token": asdict(sign_in.token), "client": client}
        content.setdefault("platforms", {})[base_url] = entry
        self._write({**content, "current": base_url})

    def forget(self, base_url: str) -> None:
        """Drop what is kept for this address."""
        content = self._read()
        content.get("platforms", {}).pop(base_url, None)
        if content.get("current") == base_url:
            del content["current"]
        self._write(content)

    def _read(self) -> dict[str, Any]:
        try:
            content: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            raise NotSignedInError(
                f"{self.path} cannot be read as JSON; remove it and sign in again"
            ) from None
        return content

    def _write(self, content: dict[str, Any]) -> None:
        # mkstemp makes the file 0600 from the start; the rename keeps readers from half a file.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".tokens-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=2)
        os.replace(name, self.path)


class Session:
    """Gives the access token for each request, and renews it in time. Safe to share by threads.

    :param grant: signs in when there is no token yet; never written down unless by `sign_in`.
    :param store: where sign-ins outlive the process; None keeps them in memory.
    """

    def __init__(
        self, transport: Transport, grant: Grant | None = None, store: TokenStore | None = None
    ) -> None:
        self._transport = transport
        self._grant = grant
        self._store = store
        self._token: Token | None = None
        self._lock = threading.Lock()

    def bearer(self) -> str:
        """An access token that lives long enough for a request.

        :raises NotSignedInError: when there is neither a token that can be renewed nor a grant.
        """
        with self._lock:
            if self._token is None or not self._token.fresh:
                self._token = self._renewed(self._token)
            return self._token.access_token

    def reject(self, access_token: str) -> None:
        """The platform refused this one before its time: the next `bearer` is another."""
        with self._lock:
            if self._token is not None and self._token.access_token == access_token:
                self._token = replace(self._token, expires_at=0)

    def sign_in(self, grant: Grant) -> None:
        """Get a token and keep it in the store, with the secret of an API client (it gets no
        refresh token) but never a password.

        :raises UnauthenticatedError: the credentials are wrong.
        """
        token = self._ask(grant.form())
        with self._lock:
            self._token, self._grant = token, grant
            if self._store:
                with self._store.exclusive():
                    self._keep(self._store, token)

    def sign_out(self) -> None:
        """Give the refresh token back, so that nobody can use it, and forget the sign-in."""
        with self._lock:
            kept = self._store.load(self._transport.base_url) if self._store else None
            token = self._token or (kept.token if kept else None)
            self._token = self._grant = None
            if token and token.refresh_token:
                self._post("/api/auth/revoke", {"token": token.refresh_token})
            if self._store:
                with self._store.exclusive():
                    self._store.forget(self._transport.base_url)

    def _renewed(self, known: Token | None) -> Token:
        if self._store is None:
            return self._obtain(known)
        with self._store.exclusive():
            kept = self._store.load(self._transport.base_url)
            if kept:
                self._grant = self._grant or kept.grant
                if kept.token.fresh and kept.token.access_token != _access(known):
                    return kept.token  # another process has renewed it
                known = kept.token
            token = self._obtain(known)
            self._keep(self._store, token)
            return token

    def _obtain(self, known: Token | None) -> Token:
        if known and known.refresh_token:
            try:
                return self._ask(
                    {"grant_type": "refresh_token", "refresh_token": known.refresh_token}
                )
            except (MalformedRequestError, UnauthenticatedError) as error:
                if self._grant is None:
                    raise NotSignedInError(
                        f"the sign-in at {self._transport.base_url} has ended: sign in again"
                    ) from error
        if self._grant is None:
            raise NotSignedInError(f"not signed in at {self._transport.base_url}")
        return self._ask(self._grant.form())

    def _ask(self, form: dict[str, str]) -> Token:
        given = json_of(self._post("/api/auth/token", form))
        return Token(
            given["access_token"],
            time.time() + float(given["expires_in"]),
            given.get("refresh_token"),
        )

    def _post(self, path: str, form: dict[str, str]) -> BaseHTTPResponse:
        # A throttled sign-in is told at once: the wait may be long, and a person is waiting.
        return self._transport.send(
            "POST", path, body=urlencode(form).encode(), headers=_FORM, wait_for_limits=False
        )

    def _keep(self, store: TokenStore, token: Token) -> None:
        grant = self._grant if isinstance(self._grant, ClientGrant) else None
        store.save(self._transport.base_url, SignIn(token, grant))


def _access(token: Token | None) -> str | None:
    return token.access_token if token else None
