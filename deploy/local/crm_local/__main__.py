"""``make run``: the platform in this process until it is interrupted."""

from __future__ import annotations

import ctypes
import errno
import signal
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from environs import Env, EnvError, validate

from crm_chassis.settings import SettingsError
from crm_client.client import Client
from crm_client.errors import CrmError
from crm_client.tokens import PasswordGrant
from crm_local.greeting import greeting
from crm_local.platform import LOOPBACK, Options, Platform
from crm_local.sample.company import make_sample
from crm_local.sample.fill import Incomplete, Interrupted, fill
from crm_local.sample.marker import Marker

_M_MMAP_THRESHOLD = -3  # malloc.h
_EMAIL = "admin@example.com"
_INITIAL_PASSWORD = "first-sign-in"  # noqa: S105 - the documented one of a local trial


def main() -> int:
    """Start, say where and how to sign in, run until SIGINT or SIGTERM.

    :returns: the exit status.
    """
    _give_back_large_blocks()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        options, with_sample = _environment(Env())
        marker = Marker(options.data_dir)
        _decide(marker, options, with_sample)
        platform = Platform(options)
        made = platform.start()
    except (EnvError, SettingsError, OSError) as error:
        print(f"The platform cannot start: {_reason(error)}", file=sys.stderr)
        return 1
    print(greeting(platform.address, options, made, with_sample=marker.begun), flush=True)
    day = marker.due()
    if with_sample and day is not None:
        _fill_in(platform.address, options, marker, day, stop)
    while not stop.wait(1):  # a signal just before the wait would not end it
        pass
    print("Stopping ...", flush=True)
    platform.stop()
    return 0


def _give_back_large_blocks() -> None:
    """Have the system get back at once what a password's hash takes for a moment, 19 MiB.

    Else the GNU C library learns to keep such blocks, for each of the threads.
    """
    with suppress(AttributeError):  # other C libraries have no such setting, nor the need
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def _environment(env: Env) -> tuple[Options, bool]:
    """How the platform is to be run, and whether with the sample company."""
    options = Options(
        data_dir=env.path("DATA_DIR", Path(".data")),
        host=env.str("HOST", LOOPBACK),
        port=env.int("PORT", 8080, validate=validate.Range(0, 65535)),
        admin_email=env.str("ADMIN_EMAIL", _EMAIL),
        admin_password=env.str("ADMIN_PASSWORD", _INITIAL_PASSWORD),
        log_level=env.str("LOG_LEVEL", "WARNING"),
    )
    return options, env.bool("SAMPLE", True)


def _decide(marker: Marker, options: Options, with_sample: bool) -> None:
    """Note, before anything else is in the data folder, whether the sample is to be in it."""
    if options.is_new and with_sample:
        marker.begin(datetime.now(UTC).date())
    elif options.is_new:
        marker.forget()


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return "the port is taken. Set another one, as in: PORT=8081 make run"
    return str(error)


def _fill_in(
    address: str, options: Options, marker: Marker, day: date, stop: threading.Event
) -> None:
    """Fill in the sample company, on one line that tells how far it is."""
    what, started = "The sample company comes in", time.monotonic()
    line = sys.stdout.isatty()

    def show(done: int, total: int) -> None:
        if line:
            print(f"\r{what}: {100 * done // total} %", end="", flush=True)

    print(f"{what} ...", end="" if line else "\n", flush=True)
    try:
        client = Client(address, grant=PasswordGrant(options.admin_email, options.admin_password))
        fill(client, make_sample(day), stop, show)
    except (CrmError, Incomplete) as error:
        print(f"\nThe sample company is not complete; the next start goes on with it.\n{error}")
    except Interrupted:
        print("\nThe next start goes on with the sample company.")
    else:
        marker.finish()
        print(f"\rThe sample company is there ({time.monotonic() - started:.0f} s).", flush=True)


if __name__ == "__main__":
    sys.exit(main())
