"""Who a record is, changed: merges, moves, links and new numbers of patients, visits and accounts (2.5.1 §3.6)."""

from __future__ import annotations

from hub.records.merges.dispatch import ACTIONS, apply

__all__ = ["ACTIONS", "apply"]
