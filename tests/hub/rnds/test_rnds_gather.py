"""What is gathered for a document before its tables read it."""

from __future__ import annotations

import rnds_records as records

from hub.rnds.gather import once_a_day


def test_a_procedure_done_several_times_on_one_day_is_one_with_its_quantity() -> None:
    first, other = records.PROCEDURE, {"coding": [{"system": "urn:s", "code": "2"}]}
    again = {**first, "id": "b", "performedDateTime": "2026-11-20T18:00:00-03:00"}
    found = once_a_day(
        [first, again, {**first, "id": "c", "performedDateTime": "2026-11-21"}, {**first, "id": "d", "code": other}]
        + [{**first, "id": name, "code": {"text": "curativo"}} for name in ("e", "f")]
    )
    assert [(one["id"], one["quantity"]) for one in found] == [("consulta", 2), ("c", 1), ("d", 1), ("e", 1), ("f", 1)]
    assert "quantity" not in first
