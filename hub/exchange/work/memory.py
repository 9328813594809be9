"""How a process collects garbage: rarely, and never what was loaded at its start.

Python's collector walks a wave's hundreds of thousands of objects again and again while they are made (a third of a
worker's time), and at a door all that was loaded with it (a fifth of a door's). Reference counts free a wave at its end
and a message at its answer; what only the collector finds is little.
"""

from __future__ import annotations

import gc

YOUNG = 1_000_000
"""Objects made and not yet freed before the collector looks at the young ones: more than two waves hold."""
ENOUGH = 20_000
AT_A_DOOR = 20_000
"""The same for a process that answers: nothing looks there between two waves, and a look must not be felt."""


def settle_in(young: int = YOUNG) -> None:
    """Set what was loaded so far aside for good, and let the collector look rarely from now on."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(young, 10, 10)


def tidy() -> None:
    """Free what only the collector finds, when nothing runs and enough was made since it last looked."""
    if gc.get_count()[0] > ENOUGH:
        gc.collect()
