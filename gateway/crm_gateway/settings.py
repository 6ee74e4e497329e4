"""What the gateway is told from outside, beside what every service is."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from limits import parse_many

from crm_chassis.settings import Settings, SettingsError
from crm_gateway.limits import IN_MEMORY
from crm_gateway.routes import Route
from crm_gateway.sign_in.keys import Sealing

SEALING_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(Settings):
    """The gateway's settings; see :class:`crm_chassis.settings.Settings` for their variables."""

    token_keys: str = ""
    """Not used: the gateway reads its keys from its own database."""

    customer_url: str
    """Where the api of customer answers."""
    sales_url: str
    """Where the api of sales answers."""
    marketing_url: str
    """Where the api of marketing answers."""
    service_desk_url: str
    """Where the api of service-desk answers."""
    reporting_url: str
    """Where the api of reporting answers."""

    sealing_key: str
    """32 random bytes in URL-safe base64: what encrypts the private signing keys at rest."""
    former_sealing_key: str = ""
    """The one before, while it is being replaced; `keys reseal` makes it superfluous."""
    signing_key_days: int = 0
    """A key that has signed for so long is replaced; 0 leaves it to `keys rotate`."""

    admin_email: str = "admin@example.com"
    """The administrator made on first start."""
    admin_password: str = ""
    """Their password; made up when empty."""

    web_threads: int = 32
    """More than a service has: most of them wait for one."""
    access_token_seconds: int = 900
    """An access token is good for so long."""
    session_days: int = 30
    """A sign-in can be refreshed for so long."""
    ended_session_days: int = 1
    """Days a session is kept after its end."""
    used_token_days: int = 7
    """Days a used refresh token is remembered: who shows it again within them ends the session."""
    expired_key_days: int = 90
    """Days an expired signing key is kept to be listed."""
    rate_limit: str = "200/second;6000/minute"
    """Requests of one principal."""
    rate_limit_storage: str = IN_MEMORY
    """Where they are counted: in each process, or in one place with ``redis://host:port``."""
    upload_bytes: int = 2_000_000_000
    """The largest file that an import takes."""
    trusted_proxies: int = 0
    """Reverse proxies in front that set ``X-Forwarded-For``; without one the peer is the client."""

    def __post_init__(self) -> None:
        faults = []
        for name in ("sealing_key", "former_sealing_key"):
            text = getattr(self, name)
            if text or name == "sealing_key":
                faults += [f"{name.upper()}: {fault}" for fault in _faults_of_key(text)]
        try:
            parse_many(self.rate_limit)
        except ValueError as error:
            faults.append(f"RATE_LIMIT: {error}")
        if faults:
            raise SettingsError("the environment is not right\n  " + "\n  ".join(faults))

    @property
    def sealing_key_bytes(self) -> bytes:
        return _bytes_of_key(self.sealing_key)

    @property
    def sealing(self) -> Sealing:
        former = _bytes_of_key(self.former_sealing_key) if self.former_sealing_key else None
        return Sealing(self.sealing_key_bytes, former)

    @property
    def requests_per_service(self) -> int:
        """How many requests may wait for one service: three threads in four."""
        return max(1, self.web_threads * 3 // 4)

    def address_of(self, route: Route) -> str:
        """Base address of the service of ``route``."""
        return str(getattr(self, str(route.setting)))


def _bytes_of_key(text: str) -> bytes:
    padded = text + "=" * (-len(text) % 4)
    return base64.b64decode(padded, altchars=b"-_", validate=True)


def _faults_of_key(text: str) -> list[str]:
    try:
        size = len(_bytes_of_key(text))
    except binascii.Error as error:
        return [f"not URL-safe base64: {error}"]
    return [] if size == SEALING_KEY_BYTES else [f"not {SEALING_KEY_BYTES} bytes"]
