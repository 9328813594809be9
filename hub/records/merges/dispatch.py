"""Carries out what a message says about identities, one draft after the other, then stores what it states besides."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from canonical.problem import Problem, blocking
from canonical.records import Draft
from hub.records.drafts.settle import settle
from hub.records.drafts.who.identify import Places
from hub.records.merges import links, moves, patients, renames, retirements
from hub.records.saved import Origin
from hub.records.write import save
from hub.store.database import Transaction

ACTIONS = frozenset(("merge", "rename", "move", "move-identifier", "link", "unlink"))
Handler = Callable[[Transaction, Draft, dict[str, Draft], Origin, Places], Awaitable[list[Problem]]]
_HANDLERS: dict[tuple[str, str], Handler] = {
    ("Patient", "merge"): patients.merge,
    ("Patient", "rename"): renames.rename,
    ("Patient", "move-identifier"): moves.move_identifiers,
    ("Patient", "link"): links.link,
    ("Patient", "unlink"): links.unlink,
    ("Account", "merge"): retirements.merge,
    ("Account", "rename"): renames.rename,
    ("Account", "move"): moves.move,
    ("Encounter", "merge"): retirements.merge,
    ("Encounter", "rename"): renames.rename,
    ("Encounter", "move"): moves.move,
}


async def apply(tx: Transaction, drafts: Sequence[Draft], origin: Origin) -> list[Problem]:
    """Carry out the actions among `drafts` (one message), through the one write path.

    Returns findings; when one of them blocks, the caller must roll the transaction back.
    """
    problems: list[Problem] = []
    named = {draft.local: draft for draft in drafts}
    places: Places = {}
    early: list[Draft] = []
    for draft in drafts:
        handler = _HANDLERS.get((draft.type, draft.action))
        if handler is None:
            continue
        if draft.merge_into and draft.merge_into not in named:
            problems.append(Problem("semantic.merge-incomplete", draft.local))
        else:
            found = await handler(tx, draft, named, origin, places)
            early += [draft] if any(problem.code == moves.UNKNOWN for problem in found) else []
            problems += found
        if blocking(problems):
            return problems
    rest = [draft for draft in drafts if draft.local not in places and draft.action not in ACTIONS]
    rest += [draft for draft in drafts if draft.action in ("link", "unlink") and draft.local not in places]
    settled = await settle(tx, rest, places)
    await moves.note_early(tx, early, named, settled)
    await save(tx, settled.writes, origin)
    return [*problems, *settled.problems]
