"""What a sender writes in its own words where HL7 has an order control code (ORC-1, table 0119)."""

from __future__ import annotations

import pytest

from tests.mappings.codes.test_hl7_unknown_codes import mapped

PATIENT = "PID|1||31^^^HOSP^MR\r"
ORDERS = {
    "ORM^O01": ("ServiceRequest", PATIENT + "ORC|{control}|P1|||{status}\rOBR|1|P1||X^Raio X^L\r"),
    "RDE^O11": (
        "MedicationRequest",
        PATIENT + "ORC|{control}|P1|||{status}\rRXE|1^^^20261122|77^Dipirona^L|1||mg\rRXR|IV\r",
    ),
    "OMP^O09": ("MedicationRequest", PATIENT + "ORC|{control}|P1|||{status}\rRXO|77^Dipirona^L|1||mg\rRXR|IV\r"),
    "OMS^O05": ("SupplyRequest", "ORC|{control}|P1|||{status}\rRQD|1|||9^Luva^L|5|CX\r"),
}
STOPPED = {"ServiceRequest": "revoked", "MedicationRequest": "cancelled", "SupplyRequest": "cancelled"}
HELD = {"ServiceRequest": "on-hold", "MedicationRequest": "stopped", "SupplyRequest": "suspended"}


def status(kind: str, control: str, said: str = "") -> tuple[str, set[str]]:
    """What the order is said to be, and where a code is told that no table has."""
    name, body = ORDERS[kind]
    bodies, told = mapped(kind, body.format(control=control, status=said))
    made = [str(one["status"]) for one in bodies if one["resourceType"] == name]
    return made[0], {where for code, where in told if code == "code.unmapped"}


@pytest.mark.parametrize("kind", ORDERS)
def test_an_order_that_words_cancel_or_hold_is_not_active(kind: str) -> None:
    name = ORDERS[kind][0]
    for word in ("CANCELADO", "Cancelada", "CANCELAMENTO", "CANCELED"):
        assert status(kind, word) == (STOPPED[name], set())
    assert status(kind, "SUSPENSO") == (HELD[name], set())


@pytest.mark.parametrize("kind", ORDERS)
def test_an_order_that_words_make_or_change_is_active(kind: str) -> None:
    for word in ("NOVO", "ALTERADO", "ALTERAÇÃO"):
        assert status(kind, word) == ("active", set())


@pytest.mark.parametrize("kind", ORDERS)
def test_an_order_under_an_unknown_control_is_unknown_unless_its_status_is_said(kind: str) -> None:
    made_of_it, told = status(kind, "ZZQW")
    assert made_of_it == "unknown" and told & {"ORC#2-1", "ORC#3-1"}
    assert status(kind, "ZZQW", "CM")[0] == "completed"
