"""What a prefix means in SQL (R4 §3.1.1.4.5, §3.1.1.4.6): how a record's span lies to that of a value."""

from __future__ import annotations

# Equality is a narrow range of `low`; IS TRUE keeps a plan made for any values from starting at `high`, which is not.
MOMENTS = {
    "eq": "(t.low >= {low} AND t.low < {high} AND (t.high <= {high}) IS TRUE)",
    "ne": "(t.low < {low} OR t.high > {high})",
    "gt": "t.high > {high}",
    "lt": "t.low < {low}",
    "ge": "(t.low >= {low} OR t.high > {high})",
    "le": "(t.low < {low} OR t.high <= {high})",
    "sa": "t.low >= {high}",
    "eb": "t.high <= {low}",
    "ap": "(t.low < {high} AND t.high > {low})",
}
# A number stands for what rounds to it, its upper end not among it: 5 is 4.5 up to but not 5.5 (R4 §3.1.1.4.6).
NUMBERS = {
    "eq": "(t.low >= {low} AND t.low < {high} AND (t.high < {high}) IS TRUE)",
    "ap": "(t.low >= {low} AND t.low <= {high} AND t.high <= {high})",
    "ne": "(t.low < {low} OR t.high >= {high})",
    "gt": "t.high > {point}",
    "lt": "t.low < {point}",
    "ge": "t.high >= {point}",
    "le": "t.low <= {point}",
    "sa": "t.low > {point}",
    "eb": "t.high < {point}",
}
# An instant is a point: it stands on one side of the value or within.
UPDATED = {
    "eq": "(t.updated_at >= {low} AND t.updated_at < {high})",
    "ap": "(t.updated_at >= {low} AND t.updated_at < {high})",
    "ne": "(t.updated_at < {low} OR t.updated_at >= {high})",
    "gt": "t.updated_at >= {high}",
    "sa": "t.updated_at >= {high}",
    "lt": "t.updated_at < {low}",
    "eb": "t.updated_at < {low}",
    "ge": "t.updated_at >= {low}",
    "le": "t.updated_at < {high}",
}
