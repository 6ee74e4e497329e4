"""How old the key is that tokens are signed with."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from crm_chassis.database import Database
from crm_chassis.problems import DATABASE_FAULTS
from crm_gateway.sign_in.models import SigningKey


class SigningKeyAge(Collector):
    """Read from the database when it is asked for; there is no key before the first sign-in."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        signs = SigningKey.retired_at.is_(None)
        try:
            with self._database.reading() as session:
                made_at = session.scalar(select(func.max(SigningKey.activated_at)).where(signs))
        except DATABASE_FAULTS:
            return
        if made_at is not None:
            yield GaugeMetricFamily(
                "crm_signing_key_made_timestamp_seconds",
                "When the key was made that signs tokens",
                made_at.timestamp(),
            )

    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())
