"""Takes the sample company in through the gateway, as any other company's data would be."""

from __future__ import annotations

import csv
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Any

from crm_client import imports, mapping, resources
from crm_client.client import Client, Record
from crm_client.errors import ConflictError, StaleError
from crm_client.imports import ImportJob
from crm_local.sample.records import Entry, Move, Ref, Row, Sample, external_id
from crm_local.sample.roster import COMPANY

SAMPLE_PASSWORD = "first-sign-in"  # noqa: S105 - the documented one of the sample's users
_PATIENCE_SECONDS = 30.0
_PAUSE_SECONDS = 0.1
_KEY = "external_id"
_SET_BY_PUT = ("stage", "status", "payment-plan")
_SAME_BY = {
    "customer/tags": ("key",),
    "customer/tag-rules": ("name",),
    "sales/approval-rules": ("amount_from", "currency"),
    "quotes": ("opportunity_id",),
    "invoices": ("order_id",),
    "tasks": ("title", "related_id"),
    "activities": ("subject", "related_id"),
}
"""Resource to the fields by which one of its entries is known again."""

Progress = Callable[[int, int], None]
"""Told how much there is by now, and how much there will be."""


class Interrupted(Exception):
    """The filling was told to stop."""


class Incomplete(Exception):
    """The platform refused a part of the sample, or took too long; the message says which."""


def fill(client: Client, sample: Sample, stop: threading.Event, progress: Progress) -> None:
    """Bring in what is missing of the sample; what is there stays as it is.

    :param client: signed in as an administrator.
    :raises Interrupted: `stop` was set.
    :raises Incomplete: a part of it cannot be brought in.
    :raises crm_client.errors.CrmError: the platform does not answer, or refuses.
    """
    _Filling(client, sample, stop, progress).run()


class _Filling:
    def __init__(
        self, client: Client, sample: Sample, stop: threading.Event, progress: Progress
    ) -> None:
        self._client = client
        self._sample = sample
        self._stop = stop
        self._progress = progress
        self._done = 0
        parts = (sample.vocabulary, sample.rows, sample.entries, sample.moves)
        self._total = sum(len(told) for part in parts for told in part.values())
        self._total += len(sample.rows["users"]) + len(sample.conversions) + len(sample.released)
        self._after_conversion: dict[str, Move] = {}
        self._ids: dict[str, dict[str, str]] = {}

    def run(self) -> None:
        self._name_company()
        for resource, entries in self._sample.vocabulary.items():
            self._add(resource, entries)
        for resource, rows in self._sample.rows.items():
            self._import(resource, rows)
            if resource == "leads":
                self._convert_leads()
        self._set_passwords()
        for resource, entries in self._sample.entries.items():
            self._add(resource, entries)
        for resource, moves in self._sample.moves.items():
            self._move_all(resource, moves)
        self._release()

    def _advance(self, count: int = 1) -> None:
        self._done += count
        self._progress(self._done, self._total)
        self._pause(0)

    def _pause(self, seconds: float) -> None:
        if self._stop.wait(seconds):
            raise Interrupted

    def _name_company(self) -> None:
        root = next(team for team in self._client.list("teams") if team["parent_id"] is None)
        self._client.update("teams", root["id"], lambda _team: {"name": COMPANY})

    def _import(self, resource: str, rows: list[Row]) -> None:
        """Import what is not there, until all of it is.

        A service refuses rows with names that it has not heard of: the events that tell of them
        may still be on their way.
        """
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while missing := self._missing(resource, rows):
            job = self._run_import(resource, missing)
            if not job.failed and job.state == "done":
                break
            if time.monotonic() > deadline:
                raise Incomplete(f"{resource}: {self._reason(job)}")
            self._pause(_PAUSE_SECONDS)
        self._advance(len(rows))

    def _missing(self, resource: str, rows: list[Row]) -> list[Row]:
        there = self._by_key(resource)
        return [row for row in rows if row[_KEY] not in there]

    def _by_key(self, resource: str) -> dict[str, dict[str, Any]]:
        return {item[_KEY]: item for item in self._client.list(resource)}

    def _run_import(self, resource: str, rows: list[Row]) -> ImportJob:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        same = mapping.Mapping(_KEY, {name: [name] for name in columns}, {}, {})
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{resource}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(rows)
            job = imports.create(self._client, resource, path.name, same)
            job = imports.upload(self._client, job, path)
        *_, ended = imports.watch(self._client, job, sleep=self._pause)
        return ended

    def _reason(self, job: ImportJob) -> str:
        error = next(imports.errors(self._client, job), None)
        return f"row {error.row}, {error.field}: {error.detail}" if error else str(job.detail)

    def _set_passwords(self) -> None:
        """Let every user of the sample sign in with the one documented password."""
        for key, user in self._by_key("users").items():
            if key and key.startswith(external_id("user", "")):
                path = f"{resources.collection('users')}/{user['id']}/password"
                self._client.put(path, {"password": SAMPLE_PASSWORD})
                self._advance()

    def _convert_leads(self) -> None:
        leads, accounts = self._by_key("leads"), self._by_key("accounts")
        products = self._by_key("products")
        for key, conversion in self._sample.conversions.items():
            facts = {**conversion.facts, "product_id": products[conversion.product]["id"]}
            if conversion.account:
                facts["account_id"] = accounts[conversion.account]["id"]
            path = f"{resources.collection('leads')}/{leads[key]['id']}/conversion"
            with _unless_somebody_was_quicker():
                made = self._client.post(path, facts)
                if conversion.then:
                    self._after_conversion[made["opportunity_id"]] = conversion.then
            self._advance()

    def _add(self, resource: str, entries: list[Entry]) -> None:
        """Add what is not there, and have happen to it what has not happened."""
        same_by, path = _SAME_BY[resource], resources.collection(resource)
        there = {_values(item, same_by): item for item in self._client.list(resource)}
        for entry in entries:
            facts = self._with_ids(entry.facts)
            item = there.get(_values(facts, same_by)) or self._client.post(path, facts)
            self._move(resource, item, entry.moves)
            self._advance()

    def _with_ids(self, facts: Any) -> Any:
        """The same with the ids of what is referred to."""
        if isinstance(facts, Ref):
            return self._id(facts)
        if isinstance(facts, Mapping):
            return {name: self._with_ids(value) for name, value in facts.items()}
        return [self._with_ids(each) for each in facts] if isinstance(facts, list) else facts

    def _id(self, ref: Ref) -> str:
        if ref.resource not in self._ids:
            there = self._by_key(ref.resource)
            self._ids[ref.resource] = {key: item["id"] for key, item in there.items()}
        return self._ids[ref.resource][ref.external_id]

    def _move_all(self, resource: str, moves: Mapping[str, Sequence[Move]]) -> None:
        for item in list(self._client.list(resource)):
            if item[_KEY] in moves:
                self._move(resource, item, moves[item[_KEY]])
                self._advance()
            elif item["id"] in self._after_conversion:
                self._move(resource, item, [self._after_conversion[item["id"]]])

    def _move(self, resource: str, item: dict[str, Any], moves: Sequence[Move]) -> None:
        """Have happen to a record what has not happened to it."""
        for move in moves:
            if all(item.get(name) == value for name, value in move.when.items()):
                item = self._make_move(resource, item, move)

    def _make_move(self, resource: str, item: dict[str, Any], move: Move) -> dict[str, Any]:
        """:returns: the record as it is then."""
        path = f"{resources.collection(resource)}/{item['id']}"
        etag, facts = f'"{item["version"]}"', dict(move.facts)
        with _unless_somebody_was_quicker():
            if move.name in _SET_BY_PUT:
                return dict(self._client.put(f"{path}/{move.name}", facts, if_match=etag))
            return dict(self._client.move(Record(path, item, etag), move.name, facts))
        return item

    def _release(self) -> None:
        """Give the customers of nobody to the pool."""
        accounts = self._by_key("accounts")
        for key in self._sample.released:
            account = accounts[key]
            if account["owner_id"] is not None:
                path = f"/api/customer/v1/pool/{account['id']}/release"
                with _unless_somebody_was_quicker():
                    reason = {"reason": "The buyer has left."}
                    self._client.post(path, reason, if_match=f'"{account["version"]}"')
            self._advance()


def _values(item: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...]:
    return tuple(item[name] for name in names)


def _unless_somebody_was_quicker() -> AbstractContextManager[None]:
    """People use the platform meanwhile; what they did with a record stands."""
    return suppress(StaleError, ConflictError)
