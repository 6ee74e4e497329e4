"""The Ed25519 keys that tokens are signed with: made, sealed, published, rotated and retired.

A key is ``next`` first: published, so that everybody knows it before it signs. Then it is
``active`` and signs; then ``retired``, and what it has signed stays good until that expires; then
``expired``, and is published no longer.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from joserfc.jwk import KeySet, OKPKey
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.database import Database, utc_now
from crm_chassis.operations.administration import record_act
from crm_chassis.tokens import ALGORITHM
from crm_gateway.sign_in.models import SigningKey

AHEAD = timedelta(minutes=5)
"""A key is published for so long before it signs: gateways read the keys each minute, and whoever
has got the set from one may keep it for another minute."""
_LEAST_KEPT = timedelta(hours=1)
_RELOAD_SECONDS = 60.0
_RELOAD_AT_MOST_EVERY_SECONDS = 1.0
_NONCE_BYTES = 12


class WrongSealingKey(Exception):
    """The stored private keys were sealed with another ``SEALING_KEY`` than the one given."""


class CannotRotate(Exception):
    """The keys are not such that this can be done; the message says why, and what can be."""


def keys_of(session: Session) -> Sequence[SigningKey]:
    """All keys that are kept, oldest first."""
    return session.scalars(select(SigningKey).order_by(SigningKey.made_at)).all()


def state_of(key: SigningKey, now: datetime) -> str:
    """``next``, ``active``, ``retired`` or ``expired``."""
    if key.expires_at is not None and key.expires_at <= now:
        return "expired"
    if key.activated_at is None:
        return "next"
    if key.retired_at is None:
        return "active"
    # An older version of the gateway does not say when a key expires.
    expires_at = key.expires_at or key.retired_at + _LEAST_KEPT
    return "expired" if expires_at <= now else "retired"


class Sealing:
    """Encrypts private keys at rest (AES-256-GCM).

    :param key: 32 bytes.
    :param former: the one before, with which keys may still be sealed.
    """

    def __init__(self, key: bytes, former: bytes | None = None) -> None:
        self._key = key
        self._keys = [key] if former is None else [key, former]

    def seal(self, private: bytes, key_id: str) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._key).encrypt(nonce, private, key_id.encode())

    def unseal(self, sealed: bytes, key_id: str) -> bytes:
        """:raises WrongSealingKey: neither key opens it."""
        nonce, text = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        for key in self._keys:
            try:
                return AESGCM(key).decrypt(nonce, text, key_id.encode())
            except InvalidTag:
                continue
        raise WrongSealingKey(
            f"SEALING_KEY does not open the signing key {key_id}; it is another one's"
        )


def _make(session: Session, sealing: Sealing, now: datetime) -> SigningKey:
    pair = OKPKey.generate_key("Ed25519", {"use": "sig", "alg": ALGORITHM}, auto_kid=True)
    key_id = str(pair.kid)
    key = SigningKey(
        id=key_id,
        public=pair.as_dict(private=False),
        sealed=sealing.seal(orjson.dumps(pair.as_dict(private=True)), key_id),
        made_at=now,
        activated_at=None,
        retired_at=now,  # an older version of the gateway would sign with it at once
        expires_at=None,
    )
    session.add(key)
    return key


def _activate(key: SigningKey, now: datetime) -> None:
    key.activated_at = now
    key.retired_at = None


def _with_state(session: Session, state: str, now: datetime) -> list[SigningKey]:
    return [key for key in keys_of(session) if state_of(key, now) == state]


def complete(session: Session, sealing: Sealing) -> None:
    """See to it that there is a key that signs, and one to come after it."""
    now = utc_now()
    coming = _with_state(session, "next", now)
    if not _with_state(session, "active", now):
        _activate(coming.pop(0) if coming else _make(session, sealing, now), now)
    if not coming:
        _make(session, sealing, now)
    session.flush()


def _lock(session: Session) -> None:
    """Let nobody else change the keys until the transaction ends."""
    session.execute(select(SigningKey.id).order_by(SigningKey.id).with_for_update())


@dataclass(frozen=True, slots=True)
class _Loaded:
    signing: OKPKey
    public: KeySet
    at: float


class KeyRing:
    """The keys in the database, held in memory and read again every minute.

    :param token_seconds: no token is good for longer.
    """

    def __init__(self, database: Database, sealing: Sealing, token_seconds: int) -> None:
        self._database = database
        self._sealing = sealing
        self._kept = max(_LEAST_KEPT, 2 * timedelta(seconds=token_seconds))
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

    def rotate(self, by: str, *, at_once: bool = False) -> str:
        """Have the next key sign from now on, elsewhere within a minute; publish a new next one.

        :param at_once: even if not everybody can know the next key yet, and requests may fail.
        :returns: id of the key that signs.
        :raises CannotRotate: the next key is too new.
        """
        with self._database.transaction() as session:
            _lock(session)
            complete(session, self._sealing)
            signs = self._rotate(session, at_once)
            record_act(session, "key.rotate", signs, {"at_once": at_once}, actor=by)
        self._reload()
        return signs

    def _rotate(self, session: Session, at_once: bool) -> str:
        now = utc_now()
        coming = _with_state(session, "next", now)[0]
        known_at = coming.made_at + AHEAD
        if now < known_at and not at_once:
            raise CannotRotate(
                f"the next key {coming.id} is not known everywhere before {known_at:%H:%M:%S} UTC"
            )
        for key in _with_state(session, "active", now):
            self._retire(key, now)
        _activate(coming, now)
        _make(session, self._sealing, now)
        return coming.id

    def rotate_if_older(self, age: timedelta, by: str) -> str | None:
        """Rotate when the active key has signed for longer than ``age``.

        :returns: id of the key that signs now; None when nothing was changed.
        """
        with self._database.reading() as session:
            active = _with_state(session, "active", utc_now())
        if not active or max(map(_activated, active)) > utc_now() - age:
            return None
        with self._database.transaction() as session:
            _lock(session)
            # Another worker may have done it just now.
            if max(map(_activated, _with_state(session, "active", utc_now()))) > utc_now() - age:
                return None
            signs = self._rotate(session, at_once=False)
            record_act(session, "key.rotate", signs, {"age": str(age)}, actor=by)
        self._reload()
        return signs

    def retire(self, key_id: str, by: str) -> None:
        """Trust a key no longer, from now on; elsewhere within minutes. For one that got out.

        :raises CannotRotate: there is no such key, or it is the one that signs.
        """
        with self._database.transaction() as session:
            _lock(session)
            now = utc_now()
            key = session.get(SigningKey, key_id, populate_existing=True)
            if key is None:
                raise CannotRotate(f"there is no key {key_id}")
            if state_of(key, now) == "active":
                raise CannotRotate(f"{key_id} signs: rotate first")
            key.retired_at = key.retired_at or now
            key.expires_at = now
            session.flush()
            complete(session, self._sealing)
            record_act(session, "key.retire", key_id, actor=by)
        self._reload()

    def reseal(self, by: str) -> int:
        """Seal every private key with the newest sealing key.

        :returns: how many there are.
        :raises WrongSealingKey: one is sealed with neither key that is known.
        """
        with self._database.transaction() as session:
            _lock(session)
            keys = keys_of(session)
            for key in keys:
                key.sealed = self._sealing.seal(self._sealing.unseal(key.sealed, key.id), key.id)
            record_act(session, "key.reseal", None, {"keys": len(keys)}, actor=by)
        return len(keys)

    def _retire(self, key: SigningKey, now: datetime) -> None:
        key.retired_at = now
        key.expires_at = now + self._kept

    def _fresh(self, seconds: float) -> _Loaded:
        loaded = self._loaded
        if loaded is not None and time.monotonic() - loaded.at < seconds:
            return loaded
        with self._lock:
            if self._loaded is None or self._loaded is loaded:
                self._loaded = self._load()
            return self._loaded

    def _reload(self) -> None:
        with self._lock:
            self._loaded = self._load()

    def _load(self) -> _Loaded:
        by_state = self._by_state()
        if not by_state.keys() >= {"active", "next"}:
            with self._database.transaction() as session:
                complete(session, self._sealing)
            by_state = self._by_state()
        active = max(by_state["active"], key=_activated)
        published = [key for keys in by_state.values() for key in keys]
        private = self._sealing.unseal(active.sealed, active.id)
        return _Loaded(
            signing=OKPKey.import_key(orjson.loads(private)),
            public=KeySet([OKPKey.import_key(key.public) for key in published]),
            at=time.monotonic(),
        )

    def _by_state(self) -> dict[str, list[SigningKey]]:
        """The keys that are good, by their states."""
        now = utc_now()
        by_state: dict[str, list[SigningKey]] = {}
        with self._database.reading() as session:
            for key in keys_of(session):
                by_state.setdefault(state_of(key, now), []).append(key)
        by_state.pop("expired", None)
        return by_state


def _activated(key: SigningKey) -> datetime:
    return key.activated_at or key.made_at
