"""Rehearse the restore of the whole platform from its back-ups, on a copy.

    rehearse.py --backups FOLDER --postgres postgresql://... --rabbitmq amqp://... \\
        --management http://user:password@host:15672 [SERVICE...]

Takes the last back-up of each service in FOLDER, as backup.sh made them, restores it into a
database of its own, starts the workers against a virtual host of its own, has them agree, and
checks that they do. What it made is removed at the end; nothing that runs is touched. The two
addresses are an administrator's, of servers that need not be those of production.

Named services are taken away and restored once more, after all agreed: the rehearsal of losing one.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deployment import Deployment
from recover import MODULES, CommandFailed, Recovery, print_orphans

from crm_chassis.broker import topology
from crm_chassis.inbox import parked_count
from crm_chassis.testing_servers import PostgresServer, RabbitServer
from crm_contracts import catalogue
from crm_local.processes import service_accounts

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Backup:
    """What backup.sh made of one service.

    :ivar moment: of which it is.
    """

    folder: Path
    service: str
    moment: datetime
    bytes: int

    @classmethod
    def read(cls, folder: Path) -> Backup:
        """:raises OSError: it is not whole."""
        manifest = json.loads((folder / "manifest.json").read_text())
        moment = datetime.fromisoformat(manifest["moment"])
        return cls(folder, manifest["service"], moment, manifest["bytes"])

    @classmethod
    def last(cls, folder: Path, service: str) -> Backup:
        """The last one of a service.

        :raises FileNotFoundError: there is none.
        """
        found = sorted((folder / service).glob("*Z/manifest.json"))
        if not found:
            raise FileNotFoundError(f"no back-up of {service} in {folder}")
        return cls.read(found[-1].parent)


def restore(backup: Backup, deployment: Deployment) -> float:
    """Run restore.sh for a service that does not run.

    :returns: how many seconds that took.
    :raises CommandFailed: with what it complained of.
    """
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_URL": deployment.databases[backup.service],
        "ATTACHMENTS_DIR": str(deployment.attachments),
        "REPLACE": "1",
    }
    started = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own script
        [str(_HERE / "restore.sh"), str(backup.folder)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise CommandFailed(f"restore of {backup.service}: {done.stderr.strip()}")
    return time.monotonic() - started


@contextmanager
def copy(postgres: PostgresServer, rabbitmq: RabbitServer, folder: Path) -> Iterator[Deployment]:
    """Empty databases and an empty broker for every service, until the context ends."""
    try:
        accounts = service_accounts(rabbitmq.create_vhost("rehearsal"))
        rabbitmq.import_definitions(topology.definitions(catalogue(), accounts))
        databases = {name: postgres.create_database(f"rehearsal-{name}") for name in MODULES}
        deployment = Deployment(folder, databases, accounts)
        try:
            yield deployment
        finally:
            deployment.close(*tuple(deployment.apps))
    finally:
        postgres.clean()
        rabbitmq.clean()


def rehearse(deployment: Deployment, backups: Sequence[Backup], poll_seconds: float = 1.0) -> None:
    """Restore these services, have all agree, and tell what it took.

    :raises CommandFailed: a step failed, or they do not agree in the end.
    """
    for backup in backups:
        seconds = restore(backup, deployment)
        deployment.open(backup.service)
        print(f"{backup.service}: {backup.bytes:,} bytes of {backup.moment} in {seconds:.1f} s")
    deployment.start(*(backup.service for backup in backups))
    moments = {backup.service: backup.moment for backup in backups}
    report = Recovery(deployment.run, moments, poll_seconds=poll_seconds).whole()
    print_orphans(report.gone)
    for step, seconds in report.seconds.items():
        print(f"{step}: {seconds:.1f} s")
    gone = {each["subject"] for each in report.gone}
    print(f"{len(report.orphans)} events void, {len(gone)} aggregates gone")
    for name in MODULES:
        with deployment.service(name).database.reading() as session:
            if parked := parked_count(session):
                print(f"{name}: {parked} events are parked")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--backups", type=Path, required=True)
    parser.add_argument("--postgres", required=True)
    parser.add_argument("--rabbitmq", required=True)
    parser.add_argument("--management", required=True)
    parser.add_argument("services", nargs="*", choices=list(MODULES))
    options = parser.parse_args()
    postgres = PostgresServer(admin_url=options.postgres)
    rabbitmq = RabbitServer(admin_url=options.rabbitmq, management_url=options.management)
    try:
        last = {name: Backup.last(options.backups, name) for name in MODULES}
        with (
            tempfile.TemporaryDirectory(prefix="rehearsal-") as folder,
            copy(postgres, rabbitmq, Path(folder)) as deployment,
        ):
            rehearse(deployment, list(last.values()))
            for name in options.services:
                deployment.close(name)
                rehearse(deployment, [last[name]])
    except (CommandFailed, OSError) as failure:
        sys.exit(str(failure))
    print("they agree")


if __name__ == "__main__":
    main()
