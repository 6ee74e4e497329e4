"""After services were restored to earlier moments: have all of the platform agree again.

    recover.py --run 'kubectl -n crm-{service} exec -i deploy/worker -- flask --app {module}' \\
        sales=2026-11-22T01:00:00Z reporting=2026-11-22T01:10:00Z

Names each service that was restored, with the moment it was restored to (``moment`` in the
manifest of its back-up). The workers of all services run; the APIs of those restored do not yet.

1. What the others told a restored service since then is replayed to it.
2. What the others saw of it that it does not know any more is made void, and what they then know
   wrongly is told anew.
3. It is checked that everybody has seen all that there is to see, and that the figures are what
   the archive gives.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from crm_contracts import catalogue

MODULES = {
    "gateway": "crm_gateway.app",
    "customer": "crm_customer.app",
    "sales": "crm_sales.app",
    "marketing": "crm_marketing.app",
    "service-desk": "crm_service_desk.app",
    "reporting": "crm_reporting.app",
}
MARGIN = timedelta(minutes=10)
"""Clocks differ, and an event is older than its commit."""


class CommandFailed(Exception):
    """A command of a service ended with a fault; the message is what it complained of."""


Run = Callable[[str, Sequence[str], str], str]
"""Runs a command of a service with arguments and an input, and returns what it printed.

:raises CommandFailed: it failed.
"""


def producers_for(consumer: str) -> list[str]:
    """The services whose events one takes."""
    return sorted({contract.producer for contract in catalogue().consumed_by(consumer)})


def consumers_of(producer: str) -> list[str]:
    """The services that take events of one."""
    return sorted({name for each in catalogue().produced_by(producer) for name in each.consumers})


@dataclass
class Report:
    """What was done, and how long it took.

    :ivar seconds: of each step.
    :ivar orphans: the events that are void, as ``events reconcile`` lists them.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    orphans: list[dict[str, object]] = field(default_factory=list)

    @property
    def gone(self) -> list[dict[str, object]]:
        """The orphans whose aggregates are not there any more: people may want them back."""
        return [each for each in self.orphans if each["gone"]]


@dataclass(frozen=True)
class Recovery:
    """:param restored: each service that was restored, with the moment it was restored to."""

    run: Run
    restored: Mapping[str, datetime]
    margin: timedelta = MARGIN
    poll_seconds: float = 2.0
    patience_seconds: float = 3600.0

    def whole(self) -> Report:
        """All steps.

        :raises CommandFailed: a command failed, or the platform does not agree in good time.
        """
        report = Report()
        for name, step in {
            "replay": self.replay,
            "reconcile": lambda: report.orphans.extend(self.reconcile()),
            "verify": self.verify,
        }.items():
            started = time.monotonic()
            step()
            report.seconds[name] = time.monotonic() - started
        return report

    def replay(self) -> None:
        """Tell the restored services again what the others told them, and wait until they know."""
        for consumer, moment in self.restored.items():
            since = _text(moment - self.margin)
            for producer in producers_for(consumer):
                self.run(producer, ("events", "replay", "--to", consumer, "--since", since), "")
        for consumer, moment in self.restored.items():
            for producer in producers_for(consumer):
                self._wait_until_seen(producer, consumer, moment - self.margin)

    def reconcile(self) -> Iterator[dict[str, object]]:
        """Have the restored services set right what the others saw of them."""
        begun = datetime.now(UTC)
        for producer, moment in self.restored.items():
            if not (consumers := consumers_of(producer)):
                continue
            since = moment - self.margin
            told = "".join(self._seen(producer, consumer, since) for consumer in consumers)
            for line in self.run(producer, ("events", "reconcile", "-"), told).splitlines():
                if line.startswith("{"):
                    yield json.loads(line)
        for producer in self.restored:
            for consumer in consumers_of(producer):
                self._wait_until_seen(producer, consumer, begun - self.margin)

    def verify(self) -> None:
        """Check that everybody has seen everything, and the figures."""
        since = min(self.restored.values()) - self.margin
        for consumer in MODULES:
            for producer in producers_for(consumer):
                self._wait_until_seen(producer, consumer, since)
        self._until(lambda: self.run("reporting", ("projections", "verify"), ""))

    def _seen(self, producer: str, consumer: str, since: datetime) -> str:
        return self.run(
            consumer, ("events", "seen", "--from", producer, "--since", _text(since)), ""
        )

    def _wait_until_seen(self, producer: str, consumer: str, since: datetime) -> None:
        asked = ("events", "unseen", "--at", consumer, "--since", _text(since), "-")
        self._until(lambda: self.run(producer, asked, self._seen(producer, consumer, since)))

    def _until(self, command: Callable[[], object]) -> None:
        deadline = time.monotonic() + self.patience_seconds
        while True:
            try:
                command()
                return
            except CommandFailed:
                if time.monotonic() > deadline:
                    raise
                time.sleep(self.poll_seconds)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat()


def shell(template: str) -> Run:
    """Runs commands by a template that names ``{service}`` or ``{module}``."""

    def run(service: str, arguments: Sequence[str], given: str) -> str:
        command = shlex.split(template.format(service=service, module=MODULES[service]))
        done = subprocess.run(  # noqa: S603 - the operator's own command
            [*command, *arguments], input=given, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise CommandFailed(f"{service} {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    return run


def _moment(text: str) -> tuple[str, datetime]:
    service, _, moment = text.partition("=")
    if service not in MODULES:
        raise argparse.ArgumentTypeError(f"no service {service}")
    instant = datetime.fromisoformat(moment)
    if instant.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{moment} has no zone, like Z")
    return service, instant


def print_orphans(orphans: Iterable[Mapping[str, object]]) -> None:
    """One line of JSON each, for people to decide what has to be done again."""
    for each in orphans:
        print(json.dumps(each, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("restored", nargs="+", type=_moment, metavar="SERVICE=MOMENT")
    parser.add_argument("--run", required=True, help="how to run a command of a service")
    parser.add_argument("--margin", type=float, default=MARGIN.total_seconds(), help="seconds")
    options = parser.parse_args()
    recovery = Recovery(
        shell(options.run), dict(options.restored), timedelta(seconds=options.margin)
    )
    try:
        report = recovery.whole()
    except CommandFailed as failure:
        sys.exit(str(failure))
    print_orphans(report.orphans)
    for step, seconds in report.seconds.items():
        print(f"{step}: {seconds:.1f} s", file=sys.stderr)
    gone = {each["subject"] for each in report.gone}
    print(f"{len(report.orphans)} events are void, {len(gone)} aggregates gone", file=sys.stderr)


if __name__ == "__main__":
    main()
