"""``/api/auth``: tokens, and the keys they are signed with."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response, jsonify, request
from flask.views import MethodView
from marshmallow import Schema, fields

from crm_chassis.problems import Problem, body_of
from crm_chassis.web import Blueprint
from crm_gateway.sign_in import grants
from crm_gateway.sign_in.grants import Issued, TokenRefused
from crm_gateway.wiring import Gateway, current_gateway

KEYS_SECONDS = 60

blueprint = Blueprint("sign_in", __name__, url_prefix="/api/auth", description="Sign-in")


class TokenAnswer(Schema):
    access_token = fields.String()
    token_type = fields.String()
    expires_in = fields.Integer(metadata={"description": "Seconds."})
    refresh_token = fields.String(metadata={"description": "For users; good once."})


class KeySetAnswer(Schema):
    """A JSON Web Key Set, RFC 7517."""

    keys = fields.List(fields.Dict())


def _form(required: list[str], properties: dict[str, str]) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": required,
        "properties": {
            name: {"type": "string", "description": text} for name, text in properties.items()
        },
    }
    return {
        "security": [],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {"schema": schema},
                "application/json": {"schema": schema},
            },
        },
    }


_TOKEN_FORM = _form(
    ["grant_type"],
    {
        "grant_type": "password, client_credentials or refresh_token",
        "username": "With password: the e-mail address.",
        "password": "With password.",
        "refresh_token": "With refresh_token.",
        "client_id": "With client_credentials, unless sent by HTTP Basic.",
        "client_secret": "With client_credentials, unless sent by HTTP Basic.",
    },
)
_REVOCATION_FORM = _form(["token"], {"token": "An access or refresh token."})


@blueprint.route("/token")
class Token(MethodView):
    @blueprint.doc(**_TOKEN_FORM)
    @blueprint.response(200, TokenAnswer)
    def post(self) -> Any:
        """Sign in, or refresh a sign-in (RFC 6749)."""
        sent = _parameters()
        grant_type = _needed(sent, "grant_type")
        if grant_type not in _GRANTS:
            raise TokenRefused("unsupported_grant_type", f"Can be: {', '.join(_GRANTS)}.")
        issued = _GRANTS[grant_type](current_gateway(), sent)
        answer = {
            "access_token": issued.access_token,
            "token_type": "Bearer",
            "expires_in": issued.expires_in,
        }
        if issued.refresh_token is not None:
            answer["refresh_token"] = issued.refresh_token
        return answer


@blueprint.route("/revoke")
class Revocation(MethodView):
    @blueprint.doc(**_REVOCATION_FORM)
    @blueprint.response(200)
    def post(self) -> Response:
        """Sign out: end the session of a token (RFC 7009)."""
        grants.revoke(current_gateway(), _needed(_parameters(), "token"))
        return Response(status=200)


@blueprint.route("/keys")
class Keys(MethodView):
    @blueprint.doc(security=[])
    @blueprint.response(200, KeySetAnswer)
    def get(self) -> Any:
        """The public keys that tokens are verified with."""
        headers = {"Cache-Control": f"public, max-age={KEYS_SECONDS}"}
        return current_gateway().keys.document(), headers


@blueprint.errorhandler(Problem)
def _refused(problem: Problem) -> Response:
    """As RFC 6749 has it, and as everything else here: the two have no word in common."""
    error = problem.error if isinstance(problem, TokenRefused) else "temporarily_unavailable"
    body = {
        "error": error,
        "error_description": problem.detail,
        **body_of(problem, request.root_path + request.path),
    }
    response: Response = jsonify(body)
    response.status_code = problem.status
    response.headers.update(problem.headers)
    return response


def _parameters() -> dict[str, str]:
    """The parameters of the request, form-encoded or JSON; those without a value are left out."""
    sent = _json() if request.is_json else request.form.to_dict(flat=False)
    if not isinstance(sent, dict):
        raise TokenRefused("invalid_request", "The body is neither a form nor a JSON object.")
    return {name: _one(name, value) for name, value in sent.items() if value not in ("", [""])}


def _json() -> Any:
    # Flask's own reader would let through halves of surrogate pairs, which cannot be encoded.
    try:
        return orjson.loads(request.get_data())
    except orjson.JSONDecodeError:
        return None


def _one(name: str, value: Any) -> str:
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, str):
        raise TokenRefused("invalid_request", f"{name} must be one text.")
    return value


def _needed(sent: dict[str, str], name: str) -> str:
    if name not in sent:
        raise TokenRefused("invalid_request", f"{name} is missing.")
    return sent[name]


def _address() -> str:
    return request.remote_addr or ""


def _by_password(gateway: Gateway, sent: dict[str, str]) -> Issued:
    email, password = _needed(sent, "username"), _needed(sent, "password")
    return grants.by_password(gateway, email, password, _address())


def _by_client_credentials(gateway: Gateway, sent: dict[str, str]) -> Issued:
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        client_id, secret = basic.username or "", basic.password or ""
    else:
        client_id, secret = _needed(sent, "client_id"), _needed(sent, "client_secret")
    return grants.by_client_credentials(gateway, client_id, secret, _address())


def _by_refresh_token(gateway: Gateway, sent: dict[str, str]) -> Issued:
    return grants.by_refresh_token(gateway, _needed(sent, "refresh_token"))


_GRANTS = {
    "password": _by_password,
    "client_credentials": _by_client_credentials,
    "refresh_token": _by_refresh_token,
}
