from __future__ import annotations

import re
from typing import Any

pytest_plugins = ["crm_chassis.testing", "pytester"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def pytest_make_parametrize_id(val: Any, argname: str) -> str | None:
    """A test with a new id as its parameter has the same name in every process."""
    return argname if isinstance(val, str) and _UUID.fullmatch(val) else None
