"""What is billed by its own guides: operations of insured inpatients with their team, and treatments of teeth."""

from __future__ import annotations

from api.demo import parts as p
from api.demo.people import ANAESTHETIST, DENTIST, Doctor, professionals
from api.demo.stories import arrive, bill, leave, order_surgery, priced, update
from api.demo.wire import parts, segment
from api.demo.writer import MARGIN, Writer

_KEYHOLE = (("61", "1"), ("48", "2"))


def staff(w: Writer) -> None:
    """The professionals' records (MFN^M02): guides name them by CPF."""
    at = w.at()
    segments = [segment("MFI", {1: parts("PRA", "Practitioner", "HL70175"), 3: "UPD", 6: "AL"})]
    for position, one in enumerate(professionals(), start=1):
        segments += p.staff(position, one, at)
    w.send("STAFF", "MFN^M02^MFN_M02", at, segments)


def operation(w: Writer) -> None:
    """An insured patient stays two nights and is operated on by a surgeon and an anaesthetist, who charge apart."""
    visit = w.visit("I", days_ago=2)
    arrive(w, visit)
    update(w, visit, visit.start + MARGIN)
    anaesthetist = _one(ANAESTHETIST)
    assistant = next(one for one in w.doctors if one != visit.doctor)
    surgery = priced(w, "31005497")
    order_surgery(w, visit, surgery)
    w.charge(visit, surgery, by=visit.doctor, modifiers=_KEYHOLE, team=(("01", assistant),))
    w.charge(visit, surgery, by=anaesthetist, modifiers=_KEYHOLE, team=(("06", anaesthetist),))
    w.charge(visit, priced(w, "60000775"), 2)
    w.charge(visit, priced(w, "90018516"), w.chance.randrange(1, 4))
    w.day.operated.append(visit.number)
    bill(w, visit)
    leave(w, visit)


def treatment(w: Writer) -> None:
    """A tooth is filled after a look at it; the dentist is who treated."""
    visit = w.visit("O")
    dentist = _one(DENTIST)
    arrive(w, visit)
    tooth = f"{w.chance.randrange(1, 5)}{w.chance.randrange(4, 8)}"
    w.charge(visit, priced(w, "81000421"), by=dentist, modifiers=(("28", tooth),))
    w.charge(visit, priced(w, "85100200"), by=dentist, modifiers=(("28", tooth), ("32", "M"), ("32", "O")))
    bill(w, visit)
    leave(w, visit)


def _one(occupation: str) -> Doctor:
    return next(one for one in professionals() if one.cbo == occupation)
