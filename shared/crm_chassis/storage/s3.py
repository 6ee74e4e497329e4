"""Contents as objects in a bucket of anything that speaks S3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import parse_qs, unquote, urlsplit

import urllib3
from minio import Minio
from minio.credentials.providers import (
    ChainedProvider,
    EnvAWSProvider,
    EnvMinioProvider,
    IamAwsProvider,
    Provider,
    StaticProvider,
)
from minio.deleteobjects import DeleteObject
from minio.error import MinioException, S3Error

if TYPE_CHECKING:
    from crm_chassis.storage import Readable

_PART_BYTES = 8 * 1024 * 1024
_UNKNOWN_LENGTH = -1
_TIMEOUT = urllib3.Timeout(connect=3.0, read=30.0)
_RETRIES = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504])


class S3Storage:
    """A bucket, or the part of one whose keys share a prefix.

    :param url: ``https://host:port/bucket/prefix``, with ``?region=`` where that matters. Access
        key and secret stand before the host, or come from the environment that S3's own tools
        read, or from the machine's role.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._bucket, _, prefix = parts.path.strip("/").partition("/")
        self._prefix = f"{prefix}/" if prefix else ""
        self._client = Minio(
            parts.netloc.rpartition("@")[2],
            secure=parts.scheme == "https",
            region=parse_qs(parts.query).get("region", ["us-east-1"])[0],
            credentials=_credentials(parts.username, parts.password),
            http_client=urllib3.PoolManager(timeout=_TIMEOUT, retries=_RETRIES),
        )

    def put(self, key: str, content: Readable) -> None:
        with _os_errors():
            self._client.put_object(
                self._bucket,
                self._prefix + key,
                cast(BinaryIO, content),
                _UNKNOWN_LENGTH,
                part_size=_PART_BYTES,
            )

    def open(self, key: str) -> BinaryIO:
        with _os_errors():
            return cast(BinaryIO, self._client.get_object(self._bucket, self._prefix + key))

    def delete(self, keys: Iterable[str]) -> None:
        with _os_errors():
            objects = [DeleteObject(self._prefix + key) for key in keys]
            for error in self._client.remove_objects(self._bucket, objects):
                raise OSError(f"{error.code}: {error.message}")


def _credentials(name: str | None, secret: str | None) -> Provider:
    if name and secret:
        return StaticProvider(unquote(name), unquote(secret))
    return ChainedProvider([EnvAWSProvider(), EnvMinioProvider(), IamAwsProvider()])


@contextmanager
def _os_errors() -> Iterator[None]:
    """What the bucket refuses, or its being away, as an OSError."""
    try:
        yield
    except S3Error as error:
        if error.code == "NoSuchKey":
            raise FileNotFoundError(error.object_name) from None
        raise OSError(f"{error.code}: {error.message}") from error
    except (MinioException, urllib3.exceptions.HTTPError) as error:
        raise OSError(str(error)) from error
