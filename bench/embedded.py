"""The platform in one process, as ``make run`` starts it: its start, its memory, an import."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
from crm_client import imports
from crm_client.client import Client
from crm_client.mapping import Mapping
from crm_client.tokens import PasswordGrant
from crm_local.processes import free_port

from bench.figures import Figure, Run, Target, Yardstick, median

_EMAIL, _PASSWORD = "admin@example.com", "correct horse battery staple"
_READY = "The CRM runs at"
_STARTS = 3
_LIBRARIES = "flask, flask_smorest, sqlalchemy.orm, alembic, kombu, pika, waitress, opentelemetry.sdk"
_FIRST_DAY = date(2025, 1, 1)
_AGENTS, _PRODUCTS, _ACCOUNTS = 35, 7, 85
_MEGABYTE = 1_000_000


def run(run: Run) -> list[Figure]:
    """Starts, in turns with a process that only imports the libraries; then an import."""
    starts, bare_starts, memories, bare_memories = [], [], [], []
    for number in range(_STARTS):
        with _libraries() as (seconds, process):
            bare_starts.append(seconds)
            bare_memories.append(process.memory_info().rss)
        with _platform(run.folder / str(number)) as (seconds, process, address):
            starts.append(seconds)
            if number == _STARTS - 1:
                import_seconds = _import(address, run.folder, run.count(8_800, 1_000))
            memories.append(process.memory_info().rss)
    
