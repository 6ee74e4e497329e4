"""What `make run` keeps is backed up while it runs, as of one moment."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from embedded import backup, restore

from crm_local.testing import embedded_platform


def test_a_platform_comes_back_as_it_was(tmp_path: Path) -> None:
    with embedded_platform(tmp_path / "data") as running:
        admin = running.administrator()
        account = admin.post("customer/v1/accounts", {"name": "Northwind", "kind": "business"})
        taken = backup(tmp_path / "data", tmp_path / "backups")
        admin.post("customer/v1/accounts", {"name": "Too late", "kind": "business"})
    restore(taken, tmp_path / "again")
    with embedded_platform(tmp_path / "again") as running:
        accounts = running.administrator().get("customer/v1/accounts")["items"]
    assert [each["id"] for each in accounts] == [account["id"]]


def test_it_is_of_one_moment(tmp_path: Path) -> None:
    """Each step is written into one file, then into the other: never is one the second alone."""
    data = tmp_path / "data"
    data.mkdir()
    files = [data / "a.db", data / "b.db"]
    for file in files:
        with closing(sqlite3.connect(file)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("CREATE TABLE steps (number INTEGER)")
    stop = threading.Event()

    def walk() -> None:
        number = 0
        connections = [sqlite3.connect(file, timeout=60) for file in files]
        while not stop.is_set():
            number += 1
            for connection in connections:  # b never knows a step that a does not
                connection.execute("INSERT INTO steps VALUES (?)", (number,))
                connection.commit()
        for connection in connections:
            connection.close()

    walker = threading.Thread(target=walk)
    walker.start()
    try:
        copies = []
        for turn in range(3):
            copies.append(backup(data, tmp_path / f"backups-{turn}"))
    finally:
        stop.set()
        walker.join()
    for copy in copies:
        first, second = (steps(copy / file.name) for file in files)
        assert first - second in (0, 1)


def steps(file: Path) -> int:
    with closing(sqlite3.connect(file)) as connection:
        return int(connection.execute("SELECT coalesce(max(number), 0) FROM steps").fetchone()[0])


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "sales.db").touch()
    with pytest.raises(FileExistsError):
        restore(tmp_path / "backup", tmp_path / "data")
