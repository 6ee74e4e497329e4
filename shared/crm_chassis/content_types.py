"""What a file is, told from what is in it; its name alone proves nothing."""

from __future__ import annotations

import codecs
import re
from collections.abc import Collection
from pathlib import PurePath

import puremagic

from crm_chassis.problems import Problem

HEAD_BYTES = 8192
"""So much of a file's beginning tells what it is."""

_TEXTS = frozenset({"txt", "md", "csv", "eml", "log"})
_CONTENT_TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "doc": "application/msword",
    "xls": "application/vnd.ms-excel",
    "ppt": "application/vnd.ms-powerpoint",
    "zip": "application/zip",
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "heic": "image/heic",
    "heif": "image/heif",
    "tiff": "image/tiff",
    "mp3": "audio/mpeg",
    "m4a": "audio/mp4",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "amr": "audio/amr",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
}
KNOWN_ENDINGS = _TEXTS | _CONTENT_TYPES.keys()
_NOT_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")


def content_type_of(head: bytes, filename: str, allowed: Collection[str]) -> str:
    """The content type of a file, if it may be kept.

    :param head: the first ``HEAD_BYTES`` of it.
    :param allowed: the endings of file names whose kinds of content are allowed.
    :raises Problem: 415 when either what is in it, or what its name says is, is not allowed.
    """
    ending = PurePath(filename).suffix.removeprefix(".").lower()
    if ending not in allowed:
        raise _refused(f"Accepted are files named {', '.join(f'.{each}' for each in allowed)}.")
    if ending in _TEXTS:
        if not _is_text(head):
            raise _refused(f"This is no text, although it is named .{ending}.")
        return "text/plain"
    named = _CONTENT_TYPES[ending]
    found = [_CONTENT_TYPES[kind] for kind in _kinds(head) if kind in allowed]
    if named in found:
        return named
    # Cameras and messengers name one kind of picture as another.
    alike = [kind for kind in found if _main_type(kind) == _main_type(named) != "application"]
    if not alike:
        raise _refused(f"What is in this file is not what .{ending} stands for.")
    return alike[0]


def _main_type(content_type: str) -> str:
    return content_type.partition("/")[0]


def _kinds(head: bytes) -> list[str]:
    """The endings known here that files with such a beginning have, the likeliest first."""
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):  # nothing known begins so; or it is empty
        return []
    endings = (match.extension.removeprefix(".") for match in matches)
    return [ending for ending in endings if ending in _CONTENT_TYPES]


def _is_text(head: bytes) -> bool:
    """True for UTF-8, UTF-16 with a byte order mark, and the encoding of Chinese files."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "gb18030"]
    return any(_decodes(head, encoding) for encoding in encodings)


def _decodes(head: bytes, encoding: str) -> bool:
    try:
        # Not final: the last character may be cut in two.
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return False
    return not _NOT_IN_TEXT.search(text)


def _refused(detail: str) -> Problem:
    return Problem(415, "content-not-accepted", detail)
