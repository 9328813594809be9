"""How records are found and which of them a token may see: `search` makes a page of a query, from parts in folders.

`conditions` say one condition in SQL, `ahead` asks first what decides the cost, `included` adds what goes along, and
`sight` guards all of it; `sorting` and `inner` are pages in another order or of contained resources.
"""
