"""How drafts of records meet what is stored: which record each is and what it becomes. `settle` leads.

* Which record it is: `who`.
* What it becomes: `combine`, with `coherence`, `nulls` and `marks`; of a visit `visit`.
* What follows for other records: `following`.
* The same of one message without a store: `offline`.
"""
