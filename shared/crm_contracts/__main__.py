"""``python -m crm_contracts``: what contracts say, their release, and what may run beside what."""

from __future__ import annotations

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path

from crm_contracts import asyncapi, compatibility
from crm_contracts.catalogue import catalogue
from crm_contracts.rollout import compare
from crm_contracts.running import NotAnswered, ask
from crm_contracts.statements import MalformedStatement, Statement, read_statement, state

_COULD_NOT_TELL = 2


def main() -> None:
    arguments = _parser().parse_args()
    match arguments.command:
        case "asyncapi":
            _print(asyncapi.document(catalogue()))
        case "release":
            try:
                compatibility.release(catalogue())
            except compatibility.BrokenContractError as broken:
                sys.exit(str(broken))
        case "state":
            _print(_own_statement(arguments.service).document())
        case "compare":
            _compare(arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m crm_contracts")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("asyncapi", help="print the AsyncAPI document of all events, as JSON")
    commands.add_parser("release", help="make the present contracts the released ones")
    stating = commands.add_parser(
        "state", help="print what the installed version of a service publishes and handles"
    )
    stating.add_argument("service", choices=catalogue().services)
    comparing = commands.add_parser(
        "compare",
        help="tell whether a version may be rolled out beside what runs",
        description="Exit status: 0 it may, 1 it may not, 2 it could not be told.",
    )
    comparing.add_argument("candidate", type=Path, help="what `state` printed of the version")
    comparing.add_argument(
        "running", type=Path, nargs="*", help="the same of each version of each service that runs"
    )
    comparing.add_argument(
        "--gateway",
        metavar="URL",
        help="ask the services behind this gateway, with CRM_CLIENT_ID and CRM_CLIENT_SECRET",
    )
    comparing.add_argument(
        "--without",
        metavar="SERVICE",
        action="append",
        default=[],
        help="a service that is not there to be asked",
    )
    comparing.add_argument("--json", action="store_true", help="answer in JSON")
    return parser


def _print(document: object) -> None:
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2)
    print()


def _own_statement(service: str) -> Statement:
    package = import_module(f"crm_{service.replace('-', '_')}")
    return state(service, package.__version__, catalogue())


def _compare(arguments: argparse.Namespace) -> None:
    try:
        candidate = _read(arguments.candidate)
        running = [_read(path) for path in arguments.running]
        if arguments.gateway:
            asked = [name for name in catalogue().services if name not in arguments.without]
            running += ask(arguments.gateway, asked)
    except (MalformedStatement, NotAnswered, OSError) as error:
        print(error, file=sys.stderr)
        sys.exit(_COULD_NOT_TELL)
    answer = compare(candidate, running)
    if arguments.json:
        _print(answer.document())
    else:
        print(answer.text())
    sys.exit(0 if answer.may_go else 1)


def _read(path: Path) -> Statement:
    try:
        return read_statement(path.read_bytes())
    except MalformedStatement as error:
        raise MalformedStatement(f"{path}: {error}") from None


if __name__ == "__main__":
    main()
