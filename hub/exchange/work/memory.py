"""How a worker process collects garbage: rarely, since a wave makes hundreds of thousands of objects that all stay.

Python's collector would walk them again and again while they are made (a third of a worker's time). Reference counts
free them at the end of the wave; what only the collector finds is little. This is for processes that only work.
"""

from __future__ import annotations

import gc

YOUNG = 1_000_000
"""Objects made and not yet freed before the collector looks at the young ones: more than two waves hold."""
ENOUGH = 20_000


def settle_in() -> None:
    """Set what was loaded so far aside for good, and let the collector look rarely from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, 10)


def tidy() -> None:
    """Free what only the collector finds, when nothing runs and enough was made since it last looked."""
    if gc.get_count()[0] > ENOUGH:
        gc.collect()
