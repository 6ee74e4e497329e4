"""API clients: the programs of integrators."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Index, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Versioned
from crm_chassis.auth import Principal
from crm_chassis.database import Id, Instant, Json
from crm_gateway.roles.models import Grants, Role, combined
from crm_gateway.tables import Tables

client_roles = Table(
    "client_roles",
    Tables.metadata,
    Column("client_id", ForeignKey("clients.id"), primary_key=True),
    Column("role_id", ForeignKey("roles.id"), primary_key=True, index=True),
)


class Client(Versioned, Tables):
    """A program that signs in by its id and a secret.

    :ivar own_grants: permissions beside those of its roles.
    :ivar secret_digest: None until a secret was made.
    :ivar former_digest: of the secret before, which is good until ``former_until``.
    """

    __tablename__ = "clients"
    __table_args__ = (
        Index("clients_by_name", "name", "id"),
        Index("clients_by_created_at", "created_at", "id"),
    )

    name: Mapped[str] = mapped_column(String(200))
    secret_digest: Mapped[str | None] = mapped_column(String(64))
    former_digest: Mapped[str | None] = mapped_column(String(64))
    former_until: Mapped[Instant | None]
    team_id: Mapped[Id | None] = mapped_column(ForeignKey("teams.id"))
    active: Mapped[bool] = mapped_column(default=True)
    own_grants: Mapped[Grants] = mapped_column(Json)
    assigned: Mapped[list[Role]] = relationship(
        secondary=client_roles, lazy="selectin", order_by=Role.name
    )

    def digests(self, now: datetime) -> list[str]:
        """Of the secrets that are good."""
        former = self.former_until is not None and now < self.former_until
        digests = [self.secret_digest, self.former_digest if former else None]
        return [digest for digest in digests if digest is not None]

    @property
    def roles(self) -> list[str]:
        """The names of the roles assigned."""
        return [role.name for role in self.assigned]

    @property
    def grants(self) -> Grants:
        """All that the client may do."""
        return combined([self.own_grants, *(role.grants for role in self.assigned)])

    def as_principal(self) -> Principal:
        return Principal(self.id, self.name, "client", self.team_id, tuple(self.roles), self.grants)
