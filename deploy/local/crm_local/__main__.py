"""``make run``: the platform in this process until it is interrupted."""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path

from environs import Env, EnvError

from crm_gateway.first_start import Administrator
from crm_local.platform import Options, Platform
from crm_local.sample import fill

_EMAIL = "admin@example.com"
_INITIAL_PASSWORD = "first-sign-in"  # noqa: S105 - the documented one of a local trial


def _options(env: Env) -> Options:
    return Options(
        data_dir=env.path("DATA_DIR", Path(".data")),
        port=env.int("PORT", 8080),
        admin_email=env.str("ADMIN_EMAIL", _EMAIL),
        admin_password=env.str("ADMIN_PASSWORD", _INITIAL_PASSWORD),
        log_level=env.str("LOG_LEVEL", "WARNING"),
    )


def main() -> int:
    """Start, say where and how to sign in, run until SIGINT or SIGTERM.

    :returns: the exit status.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    env = Env()
    try:
        options = _options(env)
        with_sample = env.bool("SAMPLE", True)
        platform = Platform(options)
        made = platform.start()
    except (EnvError, OSError) as error:
        print(f"The platform cannot start: {error}", file=sys.stderr)
        return 1
    _greet(platform.address, options, made)
    if made and with_sample:
        fill(platform.address, made.email, made.password, stop)
    stop.wait()
    print("Stopping ...")
    platform.stop()
    return 0


def _greet(address: str, options: Options, made: Administrator | None) -> None:
    password = made.password if made else "(as set on first start)"
    print(
        f"""
The CRM runs at {address}   (data in {options.data_dir}, Ctrl-C stops it)

  sign in as   {options.admin_email}
  password     {password}

Three things to try:
  1. {address}/api/docs                  every operation, to read and to call
  2. .venv/bin/crm login {address} --email {options.admin_email}
     .venv/bin/crm kpi sales --grain month --by team
  3. .venv/bin/crm list opportunities --filter stage_type=won
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
