"""Every code of the clinical HL7 tables is mapped or left blank on purpose, with who decided."""

from __future__ import annotations

import csv
from collections.abc import Iterable

import pytest

from mappings.tables.serving import plans
from mappings.tables.table import HERE, codes, table

ORDER_CONTROL = (
    "AF CA CH CN CP CR DC DE DF DR FU HD HR LI MC NA NW OC OD OE OF OH OK OP OR PA PR PY RE RF RL RO RP RQ RR RU SC SN "
    "SR SS UA UC UD UF UH UM UN UR UX XO XR XX"
)
ORDER_STATUS = "A CA CM DC ER HD IP RP SC"
COMPLETION = "CP NA PA RE"
STANDARD = {
    **dict.fromkeys(
        ("hl70119", "hl70119-medication", "hl70119-dispense", "hl70119-supply", "hl70119-answer", "hl70119-known"),
        ORDER_CONTROL,
    ),
    **dict.fromkeys(("hl70038", "hl70038-medication", "hl70038-dispense", "hl70038-supply"), ORDER_STATUS),
    **dict.fromkeys(("hl70322", "hl70322-administration"), COMPLETION),
    "hl70065-intent": "A G L O P R S",
    "hl70078": "< > A AA AC B CAR D DET E EX EXP H HH HM HU I IE IND L LL LU MS N NCL ND NEG NR NS OBX POS QCF R RR S SDD "
    "SYN-R SYN-S TOX U UNE VS W WR",
    "hl70085": "A B C D F I N O P R S U V W X",
    "hl70123": "A C F I M N O P R S X Y Z",
    "hl70136-specimen": "N Y",
    "hl70167": "0 1 2 3 4 5 7 8 G N T",
    "hl70177": "AID EMP ETH HIV PSY R U UWM V VIP",
    "hl70206-administration": "A D U X",
    "hl70271": "AU DI DO IN IP LA PA",
    "hl70272": "R U V",
    "hl70273": "AV CA OB UN",
    "hl70278": "Blocked Booked Cancelled Complete Deleted Discontinued Noshow Overbook Pending Started Waitlist",
    "hl70278-participant": "Blocked Booked Cancelled Complete Deleted Discontinued Noshow Overbook Pending Started Waitlist",
    "hl70335": "BID TID QID QAM QPM QHS QOD QSHIFT C PRN ONCE AC PC ACM ACD ACV PCM PCD PCV CM CD CV A P I M D V",
    "hl70485": "A C P PRN R S T TD TH TL TM TS TW",
    **dict.fromkeys(
        ("mdm-relation", "mdm-must-exist", "mdm-event-status"), "T01 T02 T03 T04 T05 T06 T07 T08 T09 T10 T11"
    ),
}


def rows(name: str) -> Iterable[dict[str, str]]:
    with (HERE / "codes" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("name", STANDARD)
def test_every_code_of_the_table_is_there(name: str) -> None:
    missing = set(STANDARD[name].split()) - set(codes(name))
    assert not missing, f"map these or leave their `to` empty, with who decided: {sorted(missing)}"


@pytest.mark.parametrize("name", STANDARD)
def test_every_row_says_who_decided(name: str) -> None:
    assert all(row["decided"] for row in rows(name))


def test_a_status_row_keeps_the_code_it_cannot_say() -> None:
    """A code a required binding has no place for stays beside it: a `_status` row reads what a `status` row reads."""
    checked = 0
    for file in (path for path in (HERE / "hl7").glob("*.csv") if path.stem != "ignored"):
        read = {}
        for row in table(f"hl7/{file.stem}"):
            if row.path in ("status", "docStatus") and row.convert == "code" and row.source:
                read[str(row.source).partition(".")[0]] = row.path
        kept = {str(r.source) for r in table(f"hl7/{file.stem}") if r.path in ("_status", "_docStatus") and r.source}
        wanted = {place for place in read if not place.startswith(("MSH", "EVN", "ORC-1", "PV1", "TXA-19"))}
        clinical = {"ServiceRequest", "DiagnosticReport", "Observation", "Appointment", "Immunization", "ChargeItem"}
        first = next(iter(table(f"hl7/{file.stem}"))).target.partition(".")[0]
        if first in clinical and wanted:
            checked += 1
            assert wanted <= kept, f"{file.name}: {sorted(wanted - kept)}"
    assert checked >= 6


ASKED = (
    "ORM^O01 OMG^O19 OML^O21 OML^O33 OML^O35 OMI^O23 OMP^O09 OMS^O05 OMD^O03 OMN^O07 ORR^O02 ORG^O20 ORL^O22 ORL^O34 "
    "ORL^O36 ORI^O24 ORP^O10 RRE^O12 RRD^O14 RRG^O16 RRA^O18 ORU^R01 ORU^R30 ORU^R31 ORU^R32 OUL^R21 OUL^R22 OUL^R23 "
    "OUL^R24 MDM^T01 MDM^T02 MDM^T03 MDM^T04 MDM^T05 MDM^T06 MDM^T07 MDM^T08 MDM^T09 MDM^T10 MDM^T11 DFT^P03 DFT^P11 "
    "RDE^O11 RDE^O25 RDS^O13 RGV^O15 RAS^O17 VXU^V04 RSP^K11 SRM^S01 SRR^S01"
)


@pytest.mark.parametrize("message", ASKED.split())
def test_every_clinical_message_has_a_plan(message: str) -> None:
    assert message in plans()


@pytest.mark.parametrize("message", [f"SIU^S{n}" for n in (*range(12, 25), 26)])
def test_every_schedule_event_has_a_plan_and_a_status(message: str) -> None:
    assert message in plans() and message.partition("^")[2] in codes("siu-event-status")
