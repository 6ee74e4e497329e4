"""What the data folder remembers of the sample: begun, for which day; done."""

from __future__ import annotations

from datetime import date
from pathlib import Path


class Marker:
    """Says whether the sample is still to be filled in.

    It is begun before anything else is in the folder. So a folder that was first used without the
    sample never gets it, and one whose filling was cut short goes on at the next start.
    """

    def __init__(self, data_dir: Path) -> None:
        self._begun = data_dir / "sample.begun"
        self._done = data_dir / "sample.done"

    @property
    def begun(self) -> bool:
        """True when the folder holds the sample, or some of it, or is to hold it."""
        return self._begun.exists()

    def begin(self, day: date) -> None:
        """Note that a new folder is to hold the sample as of a day."""
        self._begun.parent.mkdir(parents=True, exist_ok=True)
        self._begun.write_text(day.isoformat())

    def forget(self) -> None:
        """Note that a new folder is to hold no sample."""
        self._begun.unlink(missing_ok=True)

    def due(self) -> date | None:
        """The day as of which the sample was begun and is not complete; None where nothing is."""
        if self._done.exists() or not self.begun:
            return None
        return date.fromisoformat(self._begun.read_text())

    def finish(self) -> None:
        """Note that the sample is complete."""
        self._done.touch()
