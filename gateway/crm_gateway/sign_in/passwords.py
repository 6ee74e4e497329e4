"""Argon2id hashes of passwords, and digests of the secrets that the gateway made itself."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Sequence

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError

MINIMUM_LENGTH = 10
MAXIMUM_LENGTH = 256
"""Of a password, in characters."""

# OWASP's first choice for Argon2id: 19 MiB, two passes, one lane (about 25 ms of one core).
_hasher = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_unknown = _hasher.hash(secrets.token_urlsafe(32))
_at_once = threading.Semaphore(2)  # many sign-ins at a time are to take time, not memory


def hash_password(password: str) -> str:
    """The Argon2id hash of ``password`` with its parameters and salt, in PHC form."""
    with _at_once:
        return _hasher.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """True when ``password`` is the one behind ``stored``.

    Takes as long for an account without a password, or none at all (``stored`` is None), as for a
    wrong password, so that time does not tell which accounts exist.
    """
    try:
        with _at_once:
            return _hasher.verify(stored or _unknown, password) and stored is not None
    except (VerifyMismatchError, InvalidHashError):
        return False


def is_outdated(stored: str) -> bool:
    """True when ``stored`` was made with other parameters than today's."""
    return _hasher.check_needs_rehash(stored)


def new_secret() -> str:
    """A random secret of 256 bits, safe in addresses."""
    return secrets.token_urlsafe(32)


def digest(secret: str) -> str:
    """SHA-256 of a random secret, in hex: with 256 random bits no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


def verify_secret(stored: Sequence[str], secret: str) -> bool:
    """True when ``secret`` is the one behind a digest in ``stored``."""
    given = digest(secret)
    return any(hmac.compare_digest(each, given) for each in stored or [digest(new_secret())])
