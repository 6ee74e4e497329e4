"""The Ed25519 keys that tokens are signed with: made, sealed, rotated and published."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import KeySet, OKPKey
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from crm_chassis.auth import ALGORITHM
from crm_chassis.database import Database, utc_now
from crm_gateway.sign_in.models import SigningKey

KEPT_AFTER_RETIREMENT = timedelta(hours=1)
"""Retired keys are still published for so long; no token lives longer than 15 minutes."""
_RELOAD_SECONDS = 60.0
_RELOAD_AT_MOST_EVERY_SECONDS = 1.0
_NONCE_BYTES = 12


class WrongSealingKey(Exception):
    """The stored private keys were sealed with another ``SEALING_KEY`` than the one given."""


def generate(session: Session, sealing_key: bytes) -> None:
    """Make a new key pair, which signs from now on, and retire those before it."""
    now = utc_now()
    session.execute(
        update(SigningKey).where(SigningKey.retired_at.is_(None)).values(retired_at=now)
    )
    session.execute(delete(SigningKey).where(SigningKey.retired_at < now - KEPT_AFTER_RETIREMENT))
    key = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    private = orjson.dumps(key.as_dict(private=True))
    session.add(
        SigningKey(
            id=key.kid,
            public=key.as_dict(private=False),
            sealed=_seal(private, sealing_key, str(key.kid)),
            made_at=now,
        )
    )


def _seal(private: bytes, sealing_key: bytes, key_id: str) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(sealing_key).encrypt(nonce, private, key_id.encode())


def _unseal(sealed: bytes, sealing_key: bytes, key_id: str) -> bytes:
    nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
    try:
        return AESGCM(sealing_key).decrypt(nonce, text, key_id.encode())
    except InvalidTag:
        raise WrongSealingKey(
            f"SEALING_KEY does not open the signing key {key_id}; it is another one's"
        ) from None


@dataclass(frozen=True, slots=True)
class _Loaded:
    signing: OKPKey
    public: KeySet
    at: float


class KeyRing:
    """The keys in the database, held in memory and read again every minute.

    :param sealing_key: 32 bytes; encrypts private keys at rest (AES-256-GCM).
    """

    def __init__(self, database: Database, sealing_key: bytes) -> None:
        self._database = database
        self._sealing_key = sealing_key
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    def signing(self) -> OKPKey:
        """The private key that signs now. The very first is made when it is asked for."""
        return self._fresh(_RELOAD_SECONDS).signing

    def document(self) -> dict[str, Any]:
        """The public keys as a JSON Web Key Set (RFC 7517)."""
        return dict(self._fresh(_RELOAD_SECONDS).public.as_dict(private=False))

    def published(self, key_id: str | None) -> KeySet:
        """Every key whose signatures are good, with ``key_id`` among them if there is such a one.

        One that another process has just made is looked up in the database.
        """
        keys = self._fresh(_RELOAD_SECONDS).public
        if any(key.kid == key_id for key in keys):
            return keys
        return self._fresh(_RELOAD_AT_MOST_EVERY_SECONDS).public

    def rotate(self) -> str:
        """Sign with a new key from now on, elsewhere within a minute; gives its id."""
        with self._database.transaction() as session:
            generate(session, self._sealing_key)
        with self._lock:
            self._loaded = self._load()
        return str(self.signing().kid)

    def _fresh(self, seconds: float) -> _Loaded:
        loaded = self._loaded
        if loaded is not None and time.monotonic() - loaded.at < seconds:
            return loaded
        with self._lock:
            if self._loaded is None or self._loaded is loaded:
                self._loaded = self._load()
            return self._loaded

    def _load(self) -> _Loaded:
        rows = self._rows()
        if not any(row.retired_at is None for row in rows):
            with self._database.transaction() as session:
                generate(session, self._sealing_key)
            rows = self._rows()
        newest = max((row for row in rows if row.retired_at is None), key=lambda row: row.made_at)
        private = _unseal(newest.sealed, self._sealing_key, newest.id)
        return _Loaded(
            signing=OKPKey.import_key(orjson.loads(private)),
            public=KeySet([OKPKey.import_key(row.public) for row in rows]),
            at=time.monotonic(),
        )

    def _rows(self) -> list[SigningKey]:
        oldest = utc_now() - KEPT_AFTER_RETIREMENT
        with self._database.reading() as session:
            return list(
                session.scalars(
                    select(SigningKey).where(
                        SigningKey.retired_at.is_(None) | (SigningKey.retired_at > oldest)
                    )
                )
            )
