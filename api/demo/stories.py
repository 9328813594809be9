"""What happens to patients, as the messages a hospital's systems send about it: one function for each story."""

from __future__ import annotations

import datetime

from api.demo import parts as p
from api.demo.parts import Asked, Visit
from api.demo.pdf import page
from api.demo.people import rows
from api.demo.prices import Price
from api.demo.wire import parts, segment, stamp, text
from api.demo.writer import MARGIN, Writer

_HOUR = datetime.timedelta(hours=1)
REFERRED = "41001079"
"""An image that the payers of the trial want authorised before it is made."""


def consultation(w: Writer) -> None:
    """Arrives, is seen, is billed one consultation, leaves."""
    visit = w.visit("O")
    arrive(w, visit)
    w.charge(visit, priced(w, "10101012"))
    if w.chance.random() < 0.3:
        update(w, visit, visit.start + MARGIN)
    bill(w, visit)
    leave(w, visit)


def examination(w: Writer) -> None:
    """Blood is ordered from the laboratory; an image is made in the house and reported."""
    visit = w.visit("O")
    arrive(w, visit)
    _order_blood(w, visit, w.chance.randrange(1, 4))
    picture = w.chance.choice(rows("images"))
    asked = _order_image(w, visit, picture)
    _report_image(w, visit, asked, picture, document=w.chance.random() < 0.5)
    w.charge(visit, priced(w, picture["tuss"]))
    bill(w, visit)
    leave(w, visit)


def emergency(w: Writer) -> None:
    """Comes in by ambulance: changed data, laboratory at the bedside, medicines and a room to rest."""
    visit = w.visit("E")
    arrive(w, visit)
    update(w, visit, visit.start + MARGIN)
    _order_blood(w, visit, 2)
    _bedside(w, visit, visit.start + _HOUR, 3)
    w.charge(visit, priced(w, "10101039"))
    w.charge(visit, priced(w, "60033681"))
    for code in ("90055888", "90007760"):
        w.charge(visit, priced(w, code), w.chance.randrange(1, 4))
    bill(w, visit)
    leave(w, visit)


def admission(w: Writer) -> None:
    """Stays some days at own expense; now and then a discharge is taken back and given again."""
    visit = w.visit("I", insured=False, days_ago=w.chance.randrange(1, 4))
    arrive(w, visit)
    for step in range(2):
        at = visit.start + _HOUR * (3 + 5 * step)
        update(w, visit, at)
        _bedside(w, visit, at + MARGIN, 4)
        _culture(w, visit, at + 2 * MARGIN)
    w.charge(visit, priced(w, "10102019"), 2)
    w.charge(visit, priced(w, "90018516"), 4)
    bill(w, visit)
    if w.chance.random() < 0.5:
        leave(w, visit, at=visit.end - _HOUR)
        _say(w, visit, "A13", visit.end - _HOUR / 2)
    leave(w, visit)


def referral(w: Writer) -> None:
    """Comes in for a costly image, which waits for its payer: it is ordered, not made."""
    visit = w.visit("O")
    arrive(w, visit)
    picture = next(row for row in rows("images") if row["tuss"] == REFERRED)
    w.day.referred.append(_order_image(w, visit, picture).placer)
    leave(w, visit)


def cancelled(w: Writer) -> None:
    """Was registered by mistake."""
    visit = w.visit("O")
    arrive(w, visit)
    _say(w, visit, "A11", visit.start + MARGIN)
    w.day.cancelled.add(visit.number)


def duplicate(w: Writer) -> None:
    """Was registered under a second number without documents; the two are merged later."""
    visit = w.visit("O")
    second = w.number("record", 790_000)
    arrive(w, visit)
    at = visit.start + MARGIN
    wrong = p.pid(visit.person, second)
    w.send(visit.person.record, "ADT^A04^ADT_A01", at, [p.evn("A04", at), wrong, _other_visit(w, visit)])
    at = visit.end + MARGIN
    w.send(visit.person.record, "ADT^A40^ADT_A39", at, [p.evn("A40", at), p.pid(visit.person), p.mrg(second)])
    w.day.merged[second] = visit.person.record
    leave(w, visit)


def booked(w: Writer) -> None:
    """An appointment for next week (SIU^S12)."""
    person = w.chance.choice(w.day.people)
    doctor = w.chance.choice(w.doctors)
    start = w.at(days_ago=-7)
    end = start + datetime.timedelta(minutes=30)
    number = w.number("appointment", 5_000)
    fields = {
        1: parts(f"P{number}", "HD"),
        2: parts(f"A{number}", "HD"),
        6: parts("ROUTINE", "Consulta de retorno"),
        7: parts("RET", "Retorno", "L"),
        9: "30",
        10: parts("min"),
        11: f"^^30^{stamp(start)}^{stamp(end)}",
        16: p.xcn(doctor),
        20: p.xcn(doctor),
        25: "Booked",
    }
    place = segment("AIL", {1: "1", 3: parts("AMBULATÓRIO", "C12", "", "HD"), 6: stamp(start), 9: "30", 10: "min"})
    who = segment("AIP", {1: "1", 3: p.xcn(doctor), 6: stamp(start), 9: "30", 10: "min"})
    segments = [segment("SCH", fields), p.pid(person), segment("RGS", {1: "1"}), place, who]
    w.send(person.record, "SIU^S12^SIU_S12", w.at(), segments)
    w.day.booked += 1


def priced(w: Writer, code: str) -> Price:
    """The hospital's price of a code."""
    return next(price for price in w.prices if price.code == code)


def arrive(w: Writer, visit: Visit) -> None:
    """The visit begins: A01 or A04 with diagnosis and card."""
    event = "A01" if visit.kind == "I" else "A04"
    segments = [p.evn(event, visit.start), p.pid(visit.person), p.pv1(visit), p.dg1(visit)]
    if visit.card is not None:
        segments.append(p.in1(visit, visit.card))
    w.send(visit.person.record, f"ADT^{event}^ADT_A01", visit.start, segments)


def update(w: Writer, visit: Visit, at: datetime.datetime) -> None:
    """Changed data of the patient (A08)."""
    segments = [p.evn("A08", at), p.pid(visit.person), p.pv1(visit), p.dg1(visit)]
    w.send(visit.person.record, "ADT^A08^ADT_A01", at, segments)


def leave(w: Writer, visit: Visit, at: datetime.datetime | None = None) -> None:
    """The visit ends (A03)."""
    moment = at or visit.end
    segments = [p.evn("A03", moment), p.pid(visit.person), p.pv1(visit, left=True)]
    w.send(visit.person.record, "ADT^A03^ADT_A03", moment, segments)


def _say(w: Writer, visit: Visit, event: str, at: datetime.datetime) -> None:
    structure = {"A11": "ADT_A09", "A13": "ADT_A01"}[event]
    segments = [p.evn(event, at), p.pid(visit.person), p.pv1(visit)]
    w.send(visit.person.record, f"ADT^{event}^{structure}", at, segments)


def _other_visit(w: Writer, visit: Visit) -> str:
    """A visit known by its number only, as a hurried registration sends it."""
    number = w.number("visit", 2_600_000)
    w.day.cancelled.discard(number)
    return segment("PV1", {1: "1", 2: "O", 19: parts(number, "", "", "HD", "VN"), 44: stamp(visit.start)})


def bill(w: Writer, visit: Visit) -> None:
    """The visit's charges (DFT^P03)."""
    charges = w.day.charges[visit.number]
    at = visit.end - MARGIN
    segments = [p.evn("P03", at), p.pid(visit.person), p.pv1(visit)]
    for position, charge in enumerate(charges, start=1):
        segments += [p.ft1(position, charge, visit), *p.act(charge, visit)]
    if visit.card is not None:
        segments.append(p.in1(visit, visit.card))
    w.send(visit.person.record, "DFT^P03^DFT_P03", at, segments)


def _order_blood(w: Writer, visit: Visit, count: int) -> None:
    """OML^O21: one order group for each test, one blood sample each."""
    at = visit.start + MARGIN
    segments = [p.pid(visit.person), p.pv1(visit)]
    for position, exam in enumerate(w.chance.sample(rows("exams"), count), start=1):
        placer = w.number("placer", 310_000)
        asked = Asked(placer=placer, filler="", code=exam["tuss"], name=exam["name"], service="LAB")
        segments += [p.orc("NW", placer, "", visit, at), p.obr(position, asked, visit, at), p.spm(1, ("BLD", "Sangue"))]
        w.day.orders.append(placer)
        w.charge(visit, priced(w, exam["tuss"]))
    w.send(visit.person.record, "OML^O21^OML_O21", at, segments)


def order_surgery(w: Writer, visit: Visit, surgery: Price) -> None:
    """ORM^O01: the operation is ordered for the visit's diagnosis; its payer is asked on the strength of it."""
    at = visit.start + MARGIN
    asked = Asked(placer=w.number("placer", 310_000), filler="", code=surgery.code, name=surgery.term, service="OTH")
    segments = [p.pid(visit.person), p.pv1(visit), p.orc("NW", asked.placer, "", visit, at)]
    segments.append(p.obr(1, asked, visit, at, reason=visit.diagnosis))
    w.send(visit.person.record, "ORM^O01^ORM_O01", at, segments)


def _order_image(w: Writer, visit: Visit, picture: dict[str, str]) -> Asked:
    at = visit.start + MARGIN
    placer, filler = w.number("placer", 310_000), w.number("filler", 920_000)
    asked = Asked(placer=placer, filler=filler, code=picture["tuss"], name=picture["name"], service="RAD")
    ordered = p.obr(1, asked, visit, at)
    segments = [p.pid(visit.person), p.pv1(visit), p.orc("NW", placer, filler, visit, at), ordered]
    w.send(visit.person.record, "ORM^O01^ORM_O01", at, segments)
    w.day.images.append(placer)
    return asked


def _report_image(w: Writer, visit: Visit, asked: Asked, picture: dict[str, str], *, document: bool) -> None:
    """ORU^R01 of the RIS, in ISO-8859-1: the report line by line, sometimes with its PDF."""
    at = visit.start + _HOUR
    code = parts("18782-3", "Laudo de imagem", "LN")
    lines = picture["text"].split("|")
    segments = [p.pid(visit.person), p.pv1(visit), p.orc("RE", asked.placer, asked.filler, visit, at)]
    segments.append(p.obr(1, asked, visit, at, "F"))
    segments += [p.obx(n, "TX", code, text(line), at=stamp(at)) for n, line in enumerate(lines, start=1)]
    if document:
        drawn = page([picture["name"], "", *lines, "", "Documento de demonstração, sem valor."])
        place = parts("PDF", "Laudo em PDF", "L")
        segments.append(p.obx(len(lines) + 1, "ED", place, p.embedded(drawn), at=stamp(at)))
        w.day.documents += 1
    w.send(visit.person.record, "ORU^R01^ORU_R01", at, segments, sender="RIS", codec="latin-1")


def _bedside(w: Writer, visit: Visit, at: datetime.datetime, count: int) -> None:
    """ORU^R01 of the bedside laboratory: numbers with unit and range."""
    filler = w.number("filler", 920_000)
    asked = Asked(placer="", filler=filler, code="40301630", name="Painel bioquímico", service="LAB")
    segments = [p.pid(visit.person), p.pv1(visit), p.obr(1, asked, visit, at, "F")]
    for position, exam in enumerate(w.chance.sample(rows("exams"), count), start=1):
        low, high = float(exam["low"]), float(exam["high"])
        value = w.chance.uniform(low * 0.7, high * 1.3)
        shown = f"{value:.{exam['decimals']}f}"
        flag = "L" if value < low else "H" if value > high else "N"
        limits = f"{exam['low']}-{exam['high']}"
        code = parts(exam["loinc"], exam["analyte"], "LN")
        more = {"unit": exam["unit"], "range": limits, "flag": flag, "at": stamp(at)}
        segments.append(p.obx(position, "NM", code, shown, **more))
        w.day.values[f"{filler}/{exam['loinc']}"] = shown
    w.send(visit.person.record, "ORU^R01^ORU_R01", at, segments, sender="LIS", codec="latin-1")


def _culture(w: Writer, visit: Visit, at: datetime.datetime) -> None:
    """ORU^R01 with a coded result: what grew in the sample."""
    filler = w.number("filler", 920_000)
    asked = Asked(placer="", filler=filler, code="40310213", name="Urocultura", service="MB")
    found = parts("112283007", "Escherichia coli", "SCT")
    segments = [p.pid(visit.person), p.pv1(visit), p.obr(1, asked, visit, at, "F")]
    segments.append(p.obx(1, "CWE", parts("630-4", "Bactéria identificada", "LN"), found, at=stamp(at)))
    w.send(visit.person.record, "ORU^R01^ORU_R01", at, segments, sender="LIS")
