"""How an api takes its leave where a load balancer needs a moment to learn of it.

At SIGTERM it says at ``/readyz`` that it is not ready, and answers on for ``DRAIN_SECONDS``. Then
gunicorn closes the port and finishes what is under way. gunicorn takes this module as its
configuration: the hook below runs in its main process, the flag is read in those forked from it.
"""

from __future__ import annotations

import mmap
import os
import signal
from types import FrameType

_flag = mmap.mmap(-1, 1)  # memory that processes share with those they fork


def under_way() -> bool:
    """True from the signal to end until the end."""
    return _flag[0] == 1


def when_ready(_arbiter: object) -> None:
    """Put the drain before what gunicorn does at SIGTERM; a second signal does not wait for it."""
    seconds = int(os.environ["DRAIN_SECONDS"])
    stop = signal.getsignal(signal.SIGTERM)

    def drain(_number: int, _frame: FrameType | None) -> None:
        _flag[0] = 1
        signal.signal(signal.SIGTERM, stop)
        signal.alarm(seconds)

    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    signal.signal(signal.SIGTERM, drain)
