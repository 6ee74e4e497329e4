"""``/v1/me``: what everybody may know and do of themselves."""

from __future__ import annotations

from typing import Any

from flask import request
from flask.views import MethodView

from crm_chassis.auth import current_principal
from crm_chassis.problems import Problem, invalid
from crm_chassis.web import Blueprint, current_service
from crm_gateway.sign_in.passwords import verify_password
from crm_gateway.teams.models import Team
from crm_gateway.users.commands import set_password
from crm_gateway.users.models import User
from crm_gateway.users.schemas import Me, OwnNewPassword
from crm_gateway.wiring import current_gateway

blueprint = Blueprint("me", __name__, url_prefix="/v1/me", description="Myself")


@blueprint.route("")
class Myself(MethodView):
    @blueprint.response(200, Me)
    def get(self) -> Any:
        """Who I am, and what I may do."""
        principal = current_principal()
        with current_service().database.reading() as session:
            user = session.get(User, principal.id)
            team = session.get(Team, principal.team_id) if principal.team_id else None
        return {
            "id": principal.id,
            "kind": principal.kind,
            "name": principal.name,
            "email": user.email if user else None,
            "team": team,
            "roles": principal.roles,
            "grants": principal.grants,
        }


@blueprint.route("/password")
class MyPassword(MethodView):
    @blueprint.arguments(OwnNewPassword)
    @blueprint.response(204)
    def put(self, values: dict[str, str]) -> None:
        """Change my password, which ends all my sessions."""
        principal, throttle = current_principal(), current_gateway().throttle
        if principal.kind != "user":
            raise Problem(403, "forbidden", "Only users have passwords.")
        address = request.remote_addr or ""
        throttle.enter(principal.id, address)
        with current_service().database.transaction() as session:
            user = session.get_one(User, principal.id)
            if not verify_password(user.password_hash, values["current_password"]):
                throttle.failed(principal.id, address)
                raise invalid(("current_password", "This is not your password."))
            set_password(session, user, values["password"])
        throttle.succeeded(principal.id, address)
