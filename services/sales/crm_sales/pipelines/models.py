"""A pipeline and its stages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, foreign, mapped_column, relationship

from crm_chassis.aggregate import Versioned, change_fields
from crm_chassis.database import Json, utc_now
from crm_sales.tables import Tables

STAGE_TYPES = ("open", "won", "lost", "invalid")
NEEDED_TYPES = ("open", "won", "lost")
"""A deal is opened in one, and ends in one of the others."""


class Stage(Tables):
    """A stage of a pipeline.

    :ivar position: its place in the pipeline, from 1.
    :ivar probability: percent, what an opportunity gets on entry.
    :ivar active: False when no deal may come into it any more; those in it stay.
    :ivar required_fields: what a deal must have to come into it.
    """

    __tablename__ = "stages"

    pipeline: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    position: Mapped[int]
    type: Mapped[str] = mapped_column(String(10))
    probability: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    required_fields: Mapped[list[str]] = mapped_column(Json, default=list)


class Pipeline(Versioned, Tables):
    """A way that deals go, stage by stage.

    :ivar is_default: where a deal is opened that names no pipeline; one pipeline is it.
    :ivar active: False when no deal may be opened in it or moved into it any more.
    """

    __tablename__ = "pipelines"
    __table_args__ = (
        Index("pipelines_by_name", "name", "id"),
        Index(
            "pipelines_one_default",
            "is_default",
            unique=True,
            postgresql_where=text("is_default"),
            sqlite_where=text("is_default"),
        ),
    )

    key: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str] = mapped_column(String(100))
    active: Mapped[bool] = mapped_column(default=True)
    is_default: Mapped[bool] = mapped_column(default=False)
    stages: Mapped[list[Stage]] = relationship(
        primaryjoin=lambda: Pipeline.key == foreign(Stage.pipeline),
        order_by=lambda: Stage.position,
        lazy="selectin",
        cascade="all, delete-orphan",
    )

    def arrange(self, stages: Sequence[Mapping[str, Any]]) -> bool:
        """Have these stages, in this order, and no others.

        :returns: False when it was so already.
        """
        standing = {stage.key: stage for stage in self.stages}
        changed = [stage.key for stage in self.stages] != [values["key"] for values in stages]
        arranged = []
        for position, values in enumerate(stages, 1):
            stage = standing.get(values["key"]) or Stage(pipeline=self.key, key=values["key"])
            changed |= change_fields(stage, {**values, "position": position})
            arranged.append(stage)
        if changed:
            self.stages = arranged
            self.updated_at = utc_now()
        return changed
