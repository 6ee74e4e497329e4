"""The tree of teams, as the directory has it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import directory


class Teams:
    """The tree of teams. A team that the directory does not know stands alone.

    :param parents: team to the team it belongs to, None for a top one.
    """

    def __init__(self, parents: Mapping[str, str | None]) -> None:
        self._parents = parents
        self._children: dict[str, list[str]] = defaultdict(list)
        for team, parent in parents.items():
            if parent is not None and parent in parents:
                self._children[parent].append(team)

    @classmethod
    def load(cls, session: Session) -> Teams:
        teams = directory.teams.c
        return cls(dict(session.execute(select(teams.id, teams.parent_id)).tuples().all()))

    def path(self, team: str) -> Sequence[str]:
        """From the top to the team itself."""
        path = [team]
        while (parent := self._parents.get(path[-1])) is not None and parent not in path:
            if parent not in self._parents:
                break
            path.append(parent)
        return path[::-1]

    def at_level(self, team: str, level: int) -> str:
        """The team above ``team``, or itself, with ``level`` teams above it.

        A team that is not so deep in the tree stands for itself.
        """
        path = self.path(team)
        return path[min(level, len(path) - 1)]

    def depth(self, team: str) -> int:
        """How many teams are above it."""
        return len(self.path(team)) - 1

    def children(self, team: str) -> Sequence[str]:
        return self._children.get(team, ())

    def top(self, others: Iterable[str] = ()) -> Sequence[str]:
        """The teams that have none above them, those of ``others`` included that are not known."""
        tops = [team for team, parent in self._parents.items() if parent not in self._parents]
        return [*tops, *(team for team in others if team not in self._parents)]

    def below(self, team: str) -> set[str]:
        """The team and all teams below it."""
        found = {team}
        pending = [team]
        while pending:
            for child in self.children(pending.pop()):
                if child not in found:
                    found.add(child)
                    pending.append(child)
        return found
