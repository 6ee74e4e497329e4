"""May a version of a service be rolled out now, beside its own older version and the others?

During a roll-out both versions of the service publish, and both take from its one queue. So every
consumer that runs must be able to read what the candidate publishes, and the candidate what every
producer that runs publishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crm_contracts.reading import field_paths, unreadable
from crm_contracts.schema import personal_fields
from crm_contracts.statements import Statement


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something to know before the roll-out.

    :ivar kind: one word for programs: withdrawn, field-gone, unreadable, deaf, stricter; and those
        that do not stand in the way: unheard, early, bind-last, unbind, personal, not-asked.
    :ivar blocks: True when the roll-out has to wait.
    :ivar event: the event type that it is about; empty when it is about none.
    :ivar message: the finding in words.
    :ivar first: the service that has to be, or had better be, rolled out before; None for none.
    """

    kind: str
    blocks: bool
    event: str
    message: str
    first: str | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Whether the candidate may be rolled out now, and why not."""

    candidate: Statement
    running: Sequence[Statement]
    findings: Sequence[Finding]

    @property
    def may_go(self) -> bool:
        return not any(finding.blocks for finding in self.findings)

    @property
    def order(self) -> list[str]:
        """The services to be rolled out before the candidate, in any order, and its own last."""
        first = {finding.first for finding in self.findings if finding.first is not None}
        return [*sorted(first), self.candidate.service]

    def document(self) -> dict[str, Any]:
        """The answer as JSON values."""
        return {
            "service": self.candidate.service,
            "version": self.candidate.version,
            "beside": [{"service": s.service, "version": s.version} for s in self.running],
            "may_go": self.may_go,
            "order": self.order,
            "findings": [vars(finding) for finding in self.findings],
        }

    def text(self) -> str:
        """The answer in plain words."""
        beside = ", ".join(map(str, self.running)) or "nothing that runs"
        lines = [f"{self.candidate} beside {beside}"]
        for finding in sorted(self.findings, key=lambda finding: not finding.blocks):
            lines.append(f"  {'no:  ' if finding.blocks else 'note:'} {finding.message}")
        lines.append(f"It {'may' if self.may_go else 'may not'} be rolled out now.")
        *first, last = self.order
        if first:
            lines.append(f"Order: {' and '.join(first)} before {last}.")
        return "\n".join(lines)


def compare(candidate: Statement, running: Sequence[Statement]) -> Answer:
    """Hold a candidate against what runs.

    :param running: a statement of each version of each service that runs, the candidate's own older
        version among them.
    """
    own = [other for other in running if other.service == candidate.service]
    others = [other for other in running if other.service != candidate.service]
    findings = [
        *(found for other in others for found in _as_producer(candidate, other, own)),
        *(found for other in others for found in _as_consumer(candidate, other)),
        *(found for older in own for found in _beside_own(candidate, older, others)),
        *_not_asked(candidate, others),
    ]
    return Answer(candidate=candidate, running=running, findings=findings)


def _as_producer(
    candidate: Statement, consumer: Statement, own: Sequence[Statement]
) -> Iterator[Finding]:
    """What a consumer that runs makes of what the candidate publishes."""
    for event, wanted in consumer.handles.items():
        if _producer(event) != candidate.service:
            continue
        if event not in candidate.publishes:
            yield from _withdrawn(candidate, consumer, event, own)
            continue
        for break_ in unreadable(wanted, candidate.publishes[event]):
            yield Finding(
                kind="unreadable",
                blocks=True,
                event=event,
                message=f"{consumer} cannot read {event} of {candidate}: {break_}. "
                f"{_new_version(event)}",
            )
        yield from _fields_gone(candidate, consumer, event, own)
        yield from _newly_personal(candidate, consumer, event)
    for event, meant_for in candidate.meant_for.items():
        if consumer.service in meant_for and event not in consumer.handles:
            yield Finding(
                kind="unheard",
                blocks=False,
                event=event,
                message=f"{consumer} does not handle {event} yet. Roll out {consumer.service} "
                "first, or replay the events to it afterwards.",
                first=consumer.service,
            )


def _withdrawn(
    candidate: Statement, consumer: Statement, event: str, own: Sequence[Statement]
) -> Iterator[Finding]:
    published = _versions(event, candidate.publishes)
    if published & consumer.handles.keys():
        return  # it has moved to another version of the event
    if own and not any(_versions(event, older.publishes) for older in own):
        return  # it waits for an event that nobody publishes yet
    goes_back = any(_number(candidate.version) < _number(older.version) for older in own)
    yield Finding(
        kind="withdrawn",
        # Going back takes away what the newer version brought, and nothing that was there before.
        blocks=not goes_back or bool(published),
        event=event,
        message=f"{consumer} handles {event}, which {candidate} does not publish. "
        f"Roll out a {consumer.service} that does without it first.",
        first=consumer.service,
    )


def _fields_gone(
    candidate: Statement, consumer: Statement, event: str, own: Sequence[Statement]
) -> Iterator[Finding]:
    """Optional fields that the consumer knows and gets today, and would get no more."""
    optional = set(field_paths(consumer.handles[event], required=False))
    written = set(field_paths(candidate.publishes[event]))
    for older in own:
        had = set(field_paths(older.publishes.get(event, {})))
        for path in sorted(optional & had - written):
            yield Finding(
                kind="field-gone",
                blocks=_number(candidate.version) >= _number(older.version),
                event=event,
                message=f"{consumer} reads {'/'.join(path)} of {event}, which {older} publishes "
                f"and {candidate} does not. {_new_version(event)}",
            )


def _newly_personal(candidate: Statement, consumer: Statement, event: str) -> Iterator[Finding]:
    marked = {path for path, _ in personal_fields(consumer.handles[event])}
    known = set(field_paths(consumer.handles[event]))
    for path, _ in personal_fields(candidate.publishes[event]):
        if path in known - marked:
            yield Finding(
                kind="personal",
                blocks=False,
                event=event,
                message=f"{candidate} marks {'/'.join(path)} of {event} as personal; {consumer} "
                "does not know, and keeps it like any other field.",
                first=consumer.service,
            )


def _as_consumer(candidate: Statement, producer: Statement) -> Iterator[Finding]:
    """What the candidate makes of what a producer that runs publishes."""
    for event, wanted in candidate.handles.items():
        if _producer(event) != producer.service:
            continue
        if event in producer.publishes:
            for break_ in unreadable(wanted, producer.publishes[event]):
                yield Finding(
                    kind="stricter",
                    blocks=True,
                    event=event,
                    message=f"{candidate} wants more of {event} than {producer} keeps: {break_}. "
                    f"Roll out a {producer.service} that keeps it first.",
                    first=producer.service,
                )
            continue
        published = _versions(event, producer.publishes)
        if not published:
            yield Finding(
                kind="early",
                blocks=False,
                event=event,
                message=f"{producer} does not publish {event} yet: none comes before it does, and "
                "then none is missed.",
            )
        elif not published & candidate.handles.keys():
            yield Finding(
                kind="deaf",
                blocks=True,
                event=event,
                message=f"{candidate} needs {event}, and {producer} publishes "
                f"{_listed(published)} only. {_way_to_hear(event, published, producer)}",
                first=producer.service if _is_newer(event, published) else None,
            )


def _way_to_hear(event: str, published: set[str], producer: Statement) -> str:
    if _is_newer(event, published):
        return f"Roll out a {producer.service} that publishes it first, or handle both."
    return "Roll out a version that handles what is published."


def _beside_own(
    candidate: Statement, older: Statement, others: Sequence[Statement]
) -> Iterator[Finding]:
    """What comes of both versions taking from one queue."""
    published = {event for other in others for event in other.publishes}
    for event in sorted((candidate.handles.keys() - older.handles.keys()) & published):
        yield Finding(
            kind="bind-last",
            blocks=False,
            event=event,
            message=f"{older} parks {event}. Bind the queue to it when {older} has ended, and "
            "replay what came before.",
        )
    for event in sorted((older.handles.keys() - candidate.handles.keys()) & published):
        yield Finding(
            kind="unbind",
            blocks=False,
            event=event,
            message=f"{candidate} parks {event}, which {older} handles. Take the binding of the "
            "queue away, and handle or discard what was parked meanwhile.",
        )


def _not_asked(candidate: Statement, others: Sequence[Statement]) -> Iterator[Finding]:
    asked = {other.service for other in others}
    concerned = {service for meant_for in candidate.meant_for.values() for service in meant_for}
    concerned |= {_producer(event) for event in candidate.handles}
    for service in sorted(concerned - asked - {candidate.service}):
        yield Finding(
            kind="not-asked",
            blocks=False,
            event="",
            message=f"{service} is not among what runs: nothing is said of it.",
        )


def _producer(event: str) -> str:
    """``crm.sales.lead.created.v1`` is of sales."""
    return event.split(".")[1]


def _version(event: str) -> int:
    return int(event.rpartition(".v")[2])


def _is_newer(event: str, published: set[str]) -> bool:
    return _version(event) > max(map(_version, published))


def _versions(event: str, among: Iterable[str]) -> set[str]:
    """Every version of the same event."""
    name = event.rpartition(".")[0]
    return {other for other in among if other.rpartition(".")[0] == name}


def _new_version(event: str) -> str:
    return (
        f"Leave it as it was, and publish {event.rpartition('.')[0]}.v{_version(event) + 1} "
        "beside it."
    )


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names))
