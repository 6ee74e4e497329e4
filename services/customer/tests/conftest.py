import io
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from crm_chassis.imports.runner import ImportRunner
from crm_chassis.settings import Settings
from crm_chassis.testing_harness import Harness
from crm_customer.app import DEFINITION, create_app

Imported = tuple[dict[str, Any], list[dict[str, Any]]]


@pytest.fixture
def time_zone() -> str:
    """Where the business is; a test may be parametrized with another place."""
    return "UTC"


@pytest.fixture
def customer(tmp_path: Path, time_zone: str) -> Iterator[Harness]:
    def create(settings: Settings, **parts: Any) -> Flask:
        return create_app(replace(settings, time_zone=time_zone), **parts)

    harness = Harness(create, "customer", tmp_path)
    yield harness
    harness.close()


@pytest.fixture
def import_csv(customer: Harness) -> Callable[..., Imported]:
    """Imports a text as a file; the columns have their fields' names. Gives the job and errors."""

    def run(resource: str, text: str, **options: Any) -> Imported:
        caller = customer.as_user()
        columns = {name: name for name in text.splitlines()[0].split(",")}
        mapping = {"resource": resource, "columns": columns, **options}
        job = caller.post("/v1/imports", json=mapping)
        assert job.status_code == 201, job.json
        path = f"/v1/imports/{job.json['id']}"
        content = io.BytesIO(text.encode())
        assert caller.put(f"{path}/content", input_stream=content).status_code == 202
        importers = DEFINITION.importers
        runner = ImportRunner("customer", customer.service.database, importers)
        while runner.step():
            pass
        return caller.get(path).json, caller.get(f"{path}/errors").json["items"]

    return run
