"""Back up and restore what ``make run`` keeps, while it runs.

    embedded.py backup [DATA_DIR] FOLDER      prints the back-up's path
    embedded.py restore BACKUP [DATA_DIR]     into a folder that has no databases; stop it before

All databases are copied as of one moment, in which nobody writes: what is on its way from one
service to another is in the sender's database, so nothing has to be replayed or reconciled.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sqlite3
import sys
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path

_PATIENCE_SECONDS = 60
_ATTACHMENTS = "attachments"
_KEY = "sealing.key"


def backup(data: Path, folder: Path) -> Path:
    """Copy the databases, what is attached and the sealing key.

    :returns: the folder of this back-up.
    :raises FileNotFoundError: ``data`` has no databases.
    """
    files = sorted(data.glob("*.db"))
    if not files:
        raise FileNotFoundError(f"no databases in {data}")
    target = folder / datetime.now(UTC).strftime("%Y-%m-%dT%H%M%SZ")
    work = target.with_suffix(".part")
    work.mkdir(parents=True, mode=0o700)
    with ExitStack() as stack:
        for file in files:  # all in one order; each waits for the transaction under way
            stack.enter_context(closing(_writers_kept_out(file)))
        for file in files:
            _copy(file, work / file.name)
    # After the databases: a content is written before the row that knows it.
    if (data / _ATTACHMENTS).exists():
        unfinished = shutil.ignore_patterns("*.part")
        shutil.copytree(data / _ATTACHMENTS, work / _ATTACHMENTS, ignore=unfinished)
    if (data / _KEY).exists():
        shutil.copy2(data / _KEY, work / _KEY)
    work.rename(target)
    return target


def restore(backup_folder: Path, data: Path) -> None:
    """Put a back-up's files where ``make run`` looks for them.

    :raises FileExistsError: there are databases in ``data``.
    """
    if any(data.glob("*.db")):
        raise FileExistsError(f"{data} has databases: move them away first")
    shutil.copytree(backup_folder, data, dirs_exist_ok=True)


def _writers_kept_out(file: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=_PATIENCE_SECONDS, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def _copy(file: Path, to: Path) -> None:
    with (
        closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(to)) as target,
    ):
        source.backup(target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    data_dir = Path(os.environ.get("DATA_DIR", ".data"))
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("backup")
    making.add_argument("data", nargs="?", type=Path, default=data_dir)
    making.add_argument("folder", type=Path)
    restoring = commands.add_parser("restore")
    restoring.add_argument("backup", type=Path)
    restoring.add_argument("data", nargs="?", type=Path, default=data_dir)
    options = parser.parse_args()
    try:
        if options.command == "backup":
            print(backup(options.data, options.folder))
        else:
            restore(options.backup, options.data)
    except (OSError, sqlite3.Error) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
