"""Users: the people of the company."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Versioned
from crm_chassis.auth import Principal
from crm_chassis.database import Id
from crm_gateway.roles.models import Grants, Role, combined
from crm_gateway.tables import Tables

user_roles = Table(
    "user_roles",
    Tables.metadata,
    Column("user_id", ForeignKey("users.id"), primary_key=True),
    Column("role_id", ForeignKey("roles.id"), primary_key=True, index=True),
)


class User(Versioned, Tables):
    """Someone who owns records, and who signs in if they have an e-mail address and a password.

    :ivar email: in lower case; no two users have the same.
    :ivar active: False for those who left: they own what they owned, and cannot sign in.
    """

    __tablename__ = "users"
    __table_args__ = (
        Index("users_by_name", "name", "id"),
        Index("users_by_created_at", "created_at", "id"),
        Index("users_by_team", "team_id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    email: Mapped[str | None] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str | None] = mapped_column(String(200))
    team_id: Mapped[Id | None] = mapped_column(ForeignKey("teams.id"))
    active: Mapped[bool] = mapped_column(default=True)
    assigned: Mapped[list[Role]] = relationship(
        secondary=user_roles, lazy="selectin", order_by=Role.name
    )

    @property
    def roles(self) -> list[str]:
        """The names of the roles assigned."""
        return [role.name for role in self.assigned]

    @property
    def grants(self) -> Grants:
        """All that the user may do."""
        return combined(role.grants for role in self.assigned)

    def as_principal(self) -> Principal:
        return Principal(self.id, self.name, "user", self.team_id, tuple(self.roles), self.grants)
