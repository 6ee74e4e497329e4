"""``python -m crm_chassis.probe``: is what runs in this container ready?

The health check of the images. It asks the api, or else the worker, at the port where each tells
of itself; it loads none of the service's code, since it is run every few seconds.
"""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

_SECONDS = 4.0
_BINDS = {"BIND": "0.0.0.0:8000", "PROBE_BIND": "0.0.0.0:8001"}  # as in settings


def ready(port: int) -> bool | None:
    """What ``/readyz`` answers at this port; None when nothing listens there."""
    connection = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except ConnectionRefusedError:
        return None
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def main() -> int:
    """:returns: 0 when it is ready, else 1."""
    ports = (int(os.environ.get(name, bind).rpartition(":")[2]) for name, bind in _BINDS.items())
    answers = (ready(port) for port in ports)
    return 0 if next((answer for answer in answers if answer is not None), False) else 1


if __name__ == "__main__":
    sys.exit(main())
