"""Services in this process, on databases and brokers of the servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from crm_chassis.service import Service
from crm_chassis.settings import Settings
from crm_chassis.testing_harness import Signer


@contextmanager
def service_on(
    create_app: Callable[..., Flask],
    name: str,
    *,
    database_url: str,
    broker_url: str,
    signer: Signer,
    **settings: Any,
) -> Iterator[Flask]:
    """A service with its schema in place; it answers and works only when told to.

    :param settings: others than the usual ones.
    """
    app = create_app(
        Settings(
            service=name,
            database_url=database_url,
            broker_url=broker_url,
            token_keys=str(signer.keys_file),
            attachments_dir=str(signer.keys_file.parent),
            log_level="WARNING",
            **settings,
        )
    )
    service: Service = app.extensions["crm"]
    service.migrations.upgrade()
    try:
        yield app
    finally:
        service.close()
