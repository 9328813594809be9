"""How drafts of records meet what is stored: which record each is and what it becomes. `settle` leads.

* Which record it is: `identify`, `lookup`, `known`, `persons`, `bearers`, `professionals`.
* What it becomes: `combine`, with `coherence`, `nulls` and `marks`; of a visit `visits`, `stays` and `movements`.
* What follows for other records: `cancelled`, `kindred`, `replaced`, `reports`, `reversals`, `snapshot`, `withdrawals`.
* The same of one message without a store: `offline`.
"""
