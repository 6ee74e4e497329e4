"""The CRM platform from Python.

:class:`Client` is for its API, :func:`crm_client.events.subscribe` for its events.
"""

from crm_client.client import Client, Record
from crm_client.tokens import ClientGrant, PasswordGrant, TokenStore

__version__ = "0.1.0"
__all__ = ["Client", "ClientGrant", "PasswordGrant", "Record", "TokenStore"]
