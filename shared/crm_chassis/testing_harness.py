"""A service under test: its own database, signed tokens, and its events at hand.

harness = Harness(create_app, "sales", tmp_path)
rep = harness.as_user(grants={"sales.leads.*": "own"})
rep.post("/v1/leads", json={"name": "李雷"})
harness.published()        # the events it recorded, oldest first
harness.deliver(event)     # what its consumer would do with one
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from sqlalchemy import select
from werkzeug.test import Client, TestResponse

from crm_chassis.auth import Scope
from crm_chassis.database import new_id
from crm_chassis.events import Event, decode
from crm_chassis.outbox import event_log
from crm_chassis.service import Service
from crm_chassis.settings import Settings
from crm_chassis.tokens import ALGORITHM, ISSUER
from crm_contracts import catalogue

_migrated = tempfile.TemporaryDirectory(prefix="crm-migrated-")


class Signer:
    """Signs tokens as the gateway does; its public keys are in a file."""

    def __init__(self, folder: Path) -> None:
        self._key = OKPKey.generate_key("Ed25519", {"kid": "test"}, auto_kid=False)
        self.keys_file = folder / "keys.json"
        self.keys_file.write_bytes(orjson.dumps(KeySet([self._key]).as_dict(private=False)))

    def token(self, audience: str, lifetime: float = 60, **claims: Any) -> str:
        """A token for ``audience``; ``claims`` add to the usual ones or replace them."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": audience, "iat": now, "exp": int(now + lifetime)}
        header = {"alg": ALGORITHM, "kid": "test"}
        return jwt.encode(header, usual | claims, self._key, algorithms=[ALGORITHM])


class Caller:
    """Somebody who calls a service, as the werkzeug test client does."""

    def __init__(self, app: Flask, principal_id: str, token: str) -> None:
        self.id = principal_id
        self._client = Client(app)
        self.authorization = {"Authorization": f"Bearer {token}"}

    def call(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, **kwargs: Any
    ) -> TestResponse:
        sent = self.authorization | dict(headers or {})
        return self._client.open(path, method=method, headers=sent, **kwargs)

    def get(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("POST", path, **kwargs)

    def put(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("PUT", path, **kwargs)

    def patch(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("PATCH", path, **kwargs)

    def delete(self, path: str, **kwargs: Any) -> TestResponse:
        return self.call("DELETE", path, **kwargs)


class Harness:
    """A migrated service on a database of its own; SQLite in ``folder`` unless told otherwise."""

    def __init__(
        self,
        create_app: Callable[..., Flask],
        name: str,
        folder: Path,
        database_url: str | None = None,
        **parts: Any,
    ) -> None:
        self.name = name
        self.signer = Signer(folder)
        settings = Settings(
            service=name,
            database_url=database_url or f"sqlite:///{folder / name}.db",
            broker_url="memory://",
            token_keys=str(self.signer.keys_file),
            attachments_dir=str(folder / "attachments"),
        )
        self.app = create_app(settings, **parts)
        self.service: Service = self.app.extensions["crm"]
        self._migrate(create_app)

    def _migrate(self, create_app: Callable[..., Flask]) -> None:
        """Bring the database to its newest version; a new SQLite file as a copy of the first."""
        file = self.service.database.engine.url.database
        if not self.service.database.is_sqlite or file is None or Path(file).exists():
            self.service.migrations.upgrade()
            return
        migrated = Path(_migrated.name) / f"{create_app.__module__}.{self.name}.db"
        if not migrated.exists():
            self.service.migrations.upgrade()
            with closing(sqlite3.connect(file)) as connection:
                connection.execute("VACUUM INTO ?", (str(migrated),))
            return
        shutil.copyfile(migrated, file)

    def as_user(
        self,
        grants: Mapping[str, Scope] | None = None,
        team: str | None = None,
        user_id: str | None = None,
        kind: str = "user",
        roles: Sequence[str] = (),
    ) -> Caller:
        """A caller with these grants; with all of them when none are given."""
        principal = user_id or new_id()
        token = self.signer.token(
            f"crm-{self.name}",
            sub=principal,
            name="Test",
            kind=kind,
            team=team,
            roles=list(roles),
            grants={"*": "all"} if grants is None else dict(grants),
        )
        return Caller(self.app, principal, token)

    def anonymous(self) -> Client:
        return Client(self.app)

    def published(self, event_type: str | None = None) -> list[Event]:
        """The events of the log, oldest first."""
        with self.service.database.reading() as session:
            bodies = session.scalars(select(event_log.c.body).order_by(event_log.c.event_id)).all()
        events = [decode(body) for body in bodies]
        return [event for event in events if event_type in (None, event.type)]

    def deliver(self, *events: Event) -> None:
        """Handle events as the consumer does."""
        self.service.processor.handle(events)

    def close(self) -> None:
        self.service.close()


def event(
    event_type: str,
    data: Mapping[str, Any],
    *,
    sequence: int = 1,
    subject: str | None = None,
    **attributes: Any,
) -> Event:
    """An event as its producer would publish it.

    :param data: what differs from the contract's example.
    :raises AssertionError: when the outcome breaks the contract.
    """
    contract = catalogue().contract(event_type)
    whole = {**contract.example["data"], **data}
    violations = contract.check(whole)
    assert not violations, violations
    return Event(
        **{
            "id": new_id(),
            "type": event_type,
            "source": f"/crm/{contract.producer}",
            "subject": subject or str(whole["id"]),
            "time": datetime.now(UTC),
            "sequence": sequence,
            "data": whole,
            "actor": "test",
            "correlationid": new_id(),
            **attributes,
        }
    )


@contextmanager
def peak_memory() -> Iterator[Callable[[], int]]:
    """Counts the most bytes that Python's objects had at once since the block began."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def problem_fields(response: TestResponse) -> Sequence[str]:
    """The fields that a problem response names, sorted."""
    assert response.content_type == "application/problem+json", response.get_data(as_text=True)
    return sorted(error["field"] for error in (response.json or {}).get("errors", []))
