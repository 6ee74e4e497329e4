"""What ``make run`` says when the platform answers."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from crm_gateway.first_start import Administrator
from crm_local.platform import LOOPBACK, Options
from crm_local.sample.fill import SAMPLE_PASSWORD
from crm_local.sample.roster import COMPANY, in_role


def greeting(
    address: str, options: Options, made: Administrator | None, *, with_sample: bool
) -> str:
    """The address, the sign-in, and three things to try.

    :param made: the administrator, when this start has made them.
    """
    parts = [
        f"The CRM runs at {address}   (data in {options.data_dir}, Ctrl-C stops it)",
        _sign_in(options, made),
        *([_sample_users()] if with_sample else []),
        _to_try(address, options, with_sample),
        *([_warning()] if options.host != LOOPBACK else []),
    ]
    return "\n" + "\n\n".join(parts) + "\n"


def _sign_in(options: Options, made: Administrator | None) -> str:
    password = made.password if made else "(as set on first start)"
    return f"  sign in as   {options.admin_email}\n  password     {password}"


def _sample_users() -> str:
    lines = [f"The sample company is {COMPANY}. The password of its people is {SAMPLE_PASSWORD}:"]
    for role, what in (
        ("sales_rep", "sells"),
        ("sales_manager", "leads an office"),
        ("marketer", "plans campaigns"),
        ("agent", "answers tickets"),
    ):
        lines.append(f"  {in_role(role)[0].email:<34}{what}")
    return "\n".join(lines)


def _to_try(address: str, options: Options, with_sample: bool) -> str:
    crm = os.path.relpath(Path(sys.executable).with_name("crm"))
    third = f"{crm} import accounts FILE.csv --map MAP.yaml"
    if with_sample:
        rep = in_role("sales_rep")[0].email
        third = (
            f"{crm} login {address} --email {rep}\n"
            f"     {crm} list opportunities --filter stage_type=open   (those of the team alone)"
        )
    return (
        f"Three things to try:\n"
        f"  1. {address}/api/docs   (every operation, to read and to call)\n"
        f"  2. {crm} login {address} --email {options.admin_email}\n"
        f"     {crm} kpi sales --grain month --by team\n"
        f"  3. {third}"
    )


def _warning() -> str:
    return (
        "Other machines may reach this address, and the passwords of the sample's people are\n"
        "documented. SAMPLE=0 on first start leaves these people out, and ADMIN_PASSWORD sets\n"
        "another password for the administrator."
    )
