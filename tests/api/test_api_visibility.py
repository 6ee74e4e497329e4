"""Whoever has no right to a row, or to a field, does not get at it by any operation.

The operations are those of the OpenAPI document, so a new one is tried without being named here.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from crm_chassis.testing_harness import Caller

PERMISSION = re.compile(r"needs the permission (?P<name>[\w.-]+)")
VERSION = {"If-Match": '"1"'}
SECRETS = ("13800138000", "138 0013 8000", "the minutes are nobody")
OF_ONE_S_OWN = {
    "GET /v1/search",
    "POST /v1/imports",
    "GET /v1/imports/{job_id}",
    "PUT /v1/imports/{job_id}/content",
    "GET /v1/imports/{job_id}/errors",
}
"""Operations that ask for what the answer needs: the right to import a resource, to read what is
found. Without any, an import job is its owner's alone, and nothing is found."""


def call(who: Caller, operation: Any, body: Any = None) -> Any:
    json = {} if operation.method in ("get", "delete") else {"json": body or {}}
    return who.call(operation.method.upper(), operation.path, headers=VERSION, **json)


def text_of(answer: Any) -> str:
    """The answer as far as it is text: some are pictures and documents."""
    text: str = answer.get_data().decode("utf-8", "replace")
    return text


@pytest.fixture(scope="module")
def permissions(rows: Any) -> dict[str, str]:
    """The permission that each operation asks for, as it says itself."""
    nobody = rows.person(None, {})
    found = {}
    for operation in rows.operations():
        answer = call(nobody, operation)
        if answer.status_code == 403:
            said = PERMISSION.search(answer.json["detail"])
            assert said, (str(operation), answer.json)
            found[str(operation)] = said["name"]
    return found


def test_without_a_token_nothing_is_answered(rows: Any) -> None:
    anonymous = rows.harness.anonymous()
    answered = [
        str(operation)
        for operation in rows.operations()
        if anonymous.open(operation.path, method=operation.method.upper()).status_code != 401
    ]
    assert answered == []


def test_without_a_permission_nothing_is_answered(rows: Any, permissions: dict[str, str]) -> None:
    answered = {str(operation) for operation in rows.operations()} - permissions.keys()
    assert answered <= OF_ONE_S_OWN


def test_others_rows_are_not_there_for_an_outsider(rows: Any, permissions: dict[str, str]) -> None:
    outsider = rows.person(None, dict.fromkeys(permissions.values(), "own"))
    before = len(rows.harness.published())
    seen = []
    for operation in rows.operations():
        answer = call(outsider, operation)
        text = text_of(answer)
        if operation.addressed and answer.status_code < 400:
            seen.append(f"{operation} answered {answer.status_code}")
        told = {key for key in rows.owned if key in text} - set(operation.path.split("/"))
        if operation.method == "get" and told:
            seen.append(f"{operation} told of others' rows")
    assert seen == []
    addressed = {key for told in rows.harness.published()[before:] for key in (told.subject,)}
    assert addressed & rows.owned == set()


def test_a_colleague_with_a_right_to_read_changes_nothing(
    rows: Any, permissions: dict[str, str]
) -> None:
    reading = {name for op, name in permissions.items() if op.startswith("GET ")}
    grants = dict.fromkeys(permissions.values(), "own") | dict.fromkeys(reading, "team")
    colleague = rows.person(rows.team, grants)
    before = len(rows.harness.published())
    for operation in rows.operations():
        if operation.method != "get" and operation.addressed:
            call(colleague, operation)
    changed = {told.subject for told in rows.harness.published()[before:]}
    assert changed & rows.owned == set()


def test_a_reader_without_the_field_right_reads_it_nowhere(
    rows: Any, permissions: dict[str, str]
) -> None:
    reading = {name for op, name in permissions.items() if op.startswith("GET ")}
    reader = rows.person(rows.team, dict.fromkeys(reading, "all"))
    owner_sees, leaks = 0, []
    for operation in rows.operations():
        if operation.method != "get":
            continue
        for query in ("", "?q=138001", "?q=13800138000", "?sort=-created_at"):
            path = operation.path + query
            answer = reader.get(path)
            assert answer.status_code < 500, (path, answer.json)
            text = text_of(answer)
            leaks += [f"{operation}{query}" for secret in SECRETS if secret in text]
            if query == "":
                shown = text_of(rows.owner.get(path))
                owner_sees += any(secret in shown for secret in SECRETS)
    assert leaks == []
    assert owner_sees > 0, "the secrets are nowhere, so nothing was tried"


def test_a_phone_that_is_masked_finds_nobody(rows: Any, permissions: dict[str, str]) -> None:
    """What cannot be read can neither be found, counted nor guessed digit by digit."""
    reading = {name for op, name in permissions.items() if op.startswith("GET ")}
    reader = rows.person(rows.team, dict.fromkeys(reading, "all"))
    found = []
    for operation in rows.operations():
        if operation.method != "get" or operation.template.count("{"):
            continue
        for query in ("q=13800138000", "q=8613800", "phone=%2B8613800138000"):
            answer = reader.get(f"{operation.path}?{query}")
            if answer.status_code == 200 and (answer.json or {}).get("items"):
                if not _narrows(rows.owner, operation.path, query):
                    continue
                found.append(f"{operation}?{query}")
    assert found == []


def _narrows(owner: Caller, path: str, query: str) -> bool:
    """True when the operation takes the parameter and does not just list everything."""
    everything = owner.get(path).json.get("items")
    return bool(owner.get(f"{path}?{query}").json.get("items") != everything)
