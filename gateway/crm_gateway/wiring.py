"""The gateway's own parts, wired once; found as ``app.extensions["crm_gateway"]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from flask import Flask, current_app

from crm_chassis.database import Database
from crm_gateway.admission import Admission
from crm_gateway.documents import Documents
from crm_gateway.limits import SignInThrottle
from crm_gateway.proxy import Upstream
from crm_gateway.routes import Route
from crm_gateway.settings import GatewaySettings
from crm_gateway.sign_in.keys import KeyRing
from crm_gateway.sign_in.tokens import AccessTokens, InternalTokens

_NAME = "crm_gateway"


@dataclass(frozen=True, kw_only=True)
class Gateway:
    """What the views of the gateway need beside the chassis."""

    settings: GatewaySettings
    database: Database
    keys: KeyRing
    access_tokens: AccessTokens
    internal_tokens: InternalTokens
    admission: Admission
    throttle: SignInThrottle
    routes: Sequence[Route]
    upstreams: Mapping[str, Upstream]
    documents: Documents

    def attach(self, app: Flask) -> None:
        app.extensions[_NAME] = self


def current_gateway() -> Gateway:
    return cast(Gateway, current_app.extensions[_NAME])
