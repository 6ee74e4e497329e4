"""``python docs/pages.py``: writes what of these pages is taken from the code and from figures.

A page has blocks between ``<!-- begin NAME -->`` and ``<!-- end NAME -->``. Those of
``configuration.md`` are made of the settings' code, that of ``sizing.md`` of ``measured.json``.

--check     write nothing; the exit status is 1 when a page is behind
--measured  first take the newest figures of each benchmark from ``bench/results``
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from itertools import pairwise
from pathlib import Path
from typing import Any

from crm_chassis import settings as chassis
from crm_gateway import settings as gateway

DOCS = Path(__file__).parent
MEASURED = DOCS / "measured.json"
RESULTS = DOCS.parent / "bench" / "results"

_SECRET = {
    "database_url",
    "broker_url",
    "attachments_url",
    "sealing_key",
    "former_sealing_key",
    "admin_password",
    "rate_limit_storage",
}
_API, _WORKER, _BOTH = "api", "worker", "api, worker"
_READ_BY = {
    "database_url": "all",
    "broker_url": "all",
    "token_keys": _API,
    "time_zone": _BOTH,
    "phone_region": _BOTH,
    "log_level": "all",
    "otlp_endpoint": _BOTH,
    "bind": _API,
    "probe_bind": _WORKER,
    "web_threads": _BOTH,
    "web_workers": _API,
    "drain_seconds": _API,
    "max_body_bytes": _API,
    "relay_batch": _WORKER,
    "consumer_batch": _WORKER,
    "event_log_days": _WORKER,
    "inbox_days": _BOTH,
    "idempotency_hours": _WORKER,
    "job_days": _WORKER,
    "upload_hours": _WORKER,
    "settled_event_days": _WORKER,
    "administrative_act_days": _WORKER,
    "attachments_url": _BOTH,
    "attachments_dir": _BOTH,
    "attachment_bytes": _API,
    "attachment_types": _API,
    "clock_ahead_seconds": _BOTH,
    "customer_url": _API,
    "sales_url": _API,
    "marketing_url": _API,
    "service_desk_url": _API,
    "reporting_url": _API,
    "sealing_key": "all",
    "former_sealing_key": "all",
    "signing_key_days": _WORKER,
    "admin_email": "init",
    "admin_password": "init",
    "access_token_seconds": _API,
    "session_days": _API,
    "ended_session_days": _WORKER,
    "used_token_days": _WORKER,
    "expired_key_days": _WORKER,
    "rate_limit": _API,
    "rate_limit_storage": _API,
    "upload_bytes": _API,
    "trusted_proxies": _API,
}
"""Setting to the processes that make use of it. All of them read the whole environment."""

_HEAD = "| variable | default | what it is | used by | secret |\n|---|---|---|---|---|\n"


class PageError(Exception):
    """A page cannot be made; the message says of what the code or the results lack."""


def services_table() -> str:
    """The variables of every service."""
    said = _said_of(chassis, "Settings")
    return _table([each for each in fields(chassis.Settings) if each.name != "service"], said)


def gateway_table() -> str:
    """The variables that the gateway has beside those, or with another default."""
    common = {each.name: each.default for each in fields(chassis.Settings)}
    own = [
        each
        for each in fields(gateway.GatewaySettings)
        if each.name not in common or each.default != common[each.name]
    ]
    said = _said_of(chassis, "Settings") | _said_of(gateway, "GatewaySettings")
    return _table(own, said)


def _table(entries: Sequence[Field[Any]], said: Mapping[str, str]) -> str:
    return _HEAD + "".join(_row(entry, said) for entry in entries)


def _row(entry: Field[Any], said: Mapping[str, str]) -> str:
    name = entry.name
    if name not in said or name not in _READ_BY:
        raise PageError(f"{name}: a setting has a docstring, and its processes in docs/pages.py")
    variable = entry.metadata.get("variable", name.upper())
    secret = "yes" if name in _SECRET else ""
    what = said[name].replace("``", "`").replace("|", "\\|")
    cells = (f"`{variable}`", _default(entry.default), what, _READ_BY[name], secret)
    return f"| {' | '.join(cells)} |\n"


def _default(default: object) -> str:
    if default is MISSING:
        return "**needed**"
    return f"`{default}`" if default != "" else "empty"


def _said_of(module: Any, class_name: str) -> dict[str, str]:
    """The docstrings of a class's fields, on one line each."""
    tree = ast.parse(Path(module.__file__).read_text("utf-8"))
    (body,) = (
        node.body
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == class_name
    )
    return {
        entry.target.id: " ".join(text.value.value.split())
        for entry, text in pairwise(body)
        if isinstance(entry, ast.AnnAssign)
        and isinstance(entry.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
        and isinstance(text.value.value, str)
    }


def figures_table() -> str:
    """The figures as they were measured last."""
    head = "| benchmark | figure | measured | yardstick | ratio | on |\n|---|---|---|---|---|---|\n"
    measured = json.loads(MEASURED.read_text("utf-8"))
    return head + "".join(
        _figure_row(benchmark, result["on"], figure)
        for benchmark, result in measured.items()
        for figure in result["figures"]
    )


def collect() -> None:
    """Keep the newest figures of each benchmark, and when they were taken: those with a target, or
    all where none has one.
    """
    found: dict[str, Any] = json.loads(MEASURED.read_text("utf-8")) if MEASURED.exists() else {}
    for path in sorted(RESULTS.glob("*.json")):
        result = json.loads(path.read_text("utf-8"))
        if result["quick"]:
            continue
        for benchmark, figures in result["figures"].items():
            found[benchmark] = {
                "on": result["started_at"][:10],
                "machine": result["machine"],
                "figures": [figure for figure in figures if figure["target"]] or figures,
            }
    MEASURED.write_text(json.dumps(dict(sorted(found.items())), indent=1) + "\n", "utf-8")


def _figure_row(benchmark: str, on: str, figure: Mapping[str, Any]) -> str:
    yardstick = figure["yardstick"]
    beside = f"{_number(yardstick['value'])} {yardstick['name']}" if yardstick else ""
    cells = (
        f"`{benchmark}`",
        figure["name"],
        f"{_number(figure['value'])} {figure['unit']}",
        beside,
        f"{figure['ratio']:.2f}" if figure["ratio"] is not None else "",
        on,
    )
    return f"| {' | '.join(cells)} |\n"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


BLOCKS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "configuration.md": {"services": services_table, "gateway": gateway_table},
    "sizing.md": {"figures": figures_table},
}
"""Page to its blocks."""


def made(page: str) -> str:
    """A page with its blocks as they are to be.

    :raises PageError: the page lacks a block.
    """
    text = (DOCS / page).read_text("utf-8")
    for name, make in BLOCKS[page].items():
        begin, end = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
        if text.count(begin) != 1 or text.count(end) != 1:
            raise PageError(f"{page} has no block {name}")
        before, _, rest = text.partition(begin)
        text = before + begin + make() + end + rest.partition(end)[2]
    return text


def main(arguments: Sequence[str]) -> int:
    """:returns: the exit status."""
    if "--measured" in arguments:
        collect()
    pages = {DOCS / page: made(page) for page in BLOCKS}
    behind = [path for path, text in pages.items() if path.read_text("utf-8") != text]
    if "--check" in arguments:
        for path in behind:
            print(f"{path.name} is behind: python docs/pages.py", file=sys.stderr)
        return 1 if behind else 0
    for path in behind:
        path.write_text(pages[path], "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
