"""What the gateway is told from outside, beside what every service is."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

from limits import parse_many

from crm_chassis.settings import Settings, SettingsError
from crm_gateway.limits import IN_MEMORY
from crm_gateway.routes import Route

SEALING_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class GatewaySettings(Settings):
    """The gateway's settings; see :class:`crm_chassis.settings.Settings` for their variables."""

    token_keys: str = ""
    """Not used: the gateway reads its keys from its own database."""

    customer_url: str
    sales_url: str
    marketing_url: str
    service_desk_url: str
    reporting_url: str

    sealing_key: str
    """32 random bytes in URL-safe base64: what encrypts the private signing keys at rest."""

    admin_email: str = "admin@example.com"
    """The administrator made on first start."""
    admin_password: str = ""
    """Their password; made up when empty."""

    web_threads: int = 32
    """More than a service has: most of them wait for one."""
    access_token_seconds: int = 900
    session_days: int = 30
    """A sign-in can be refreshed for so long."""
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
        try:
            if len(self.sealing_key_bytes) != SEALING_KEY_BYTES:
                faults.append(f"SEALING_KEY: not {SEALING_KEY_BYTES} bytes")
        except binascii.Error as error:
            faults.append(f"SEALING_KEY: not URL-safe base64: {error}")
        try:
            parse_many(self.rate_limit)
        except ValueError as error:
            faults.append(f"RATE_LIMIT: {error}")
        if faults:
            raise SettingsError("the environment is not right\n  " + "\n  ".join(faults))

    @property
    def sealing_key_bytes(self) -> bytes:
        padded = self.sealing_key + "=" * (-len(self.sealing_key) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)

    @property
    def requests_per_service(self) -> int:
        """How many requests may wait for one service: three threads in four."""
        return max(1, self.web_threads * 3 // 4)

    def address_of(self, route: Route) -> str:
        """Base address of the service of ``route``."""
        return str(getattr(self, str(route.setting)))
