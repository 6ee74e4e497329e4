"""The root of marketing's own tables."""

from crm_chassis.database import NAMING
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase


class Tables(DeclarativeBase):
    """Every table of this service, beside those of the chassis."""

    metadata = MetaData(naming_convention=NAMING)
