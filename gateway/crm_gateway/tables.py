"""The root of the gateway's own tables."""

from __future__ import annotations

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from crm_chassis.database import NAMING


class Tables(DeclarativeBase):
    """Every table of the gateway, beside those of the chassis."""

    metadata = MetaData(naming_convention=NAMING)
