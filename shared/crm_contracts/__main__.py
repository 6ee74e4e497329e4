"""``python -m crm_contracts``: print the AsyncAPI document, or release the contracts."""

from __future__ import annotations

import argparse
import json
import sys

from crm_contracts import asyncapi, compatibility
from crm_contracts.catalogue import catalogue


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m crm_contracts")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("asyncapi", help="print the AsyncAPI document of all events, as JSON")
    commands.add_parser("release", help="make the present contracts the released ones")
    if parser.parse_args().command == "asyncapi":
        json.dump(asyncapi.document(catalogue()), sys.stdout, ensure_ascii=False, indent=2)
        print()
        return
    try:
        compatibility.release(catalogue())
    except compatibility.BrokenContractError as broken:
        sys.exit(str(broken))


if __name__ == "__main__":
    main()
