"""The root of sales' own tables."""

from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

from crm_chassis.database import NAMING


class Tables(DeclarativeBase):
    """Every table of this service, beside those of the chassis."""

    metadata = MetaData(naming_convention=NAMING)
