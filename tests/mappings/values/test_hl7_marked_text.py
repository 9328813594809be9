"""Reports and notes with marks of HTML, as systems with a text editor send them, are kept as the text they show."""

from __future__ import annotations

import base64
import time

import pytest

from hl7 import er7
from hl7.er7 import STANDARD, Message, Segment
from mappings.convert.markup import unmarked
from mappings.convert.registry import Context, Value
from mappings.reading.engine import translate
from mappings.tables.table import Source
from tests.mappings.misplaced.test_hl7_parts_elsewhere import made

REPORT = "OBR|1|P1|F1|RM^RESSONANCIA^L|||20261110\rOBX|1|TX|LAUDO^LAUDO^L||{text}||||||F\r"


def plain(text: str) -> tuple[str, list[str]]:
    message = er7.read(b"MSH|^~\\&|A|B|||20261110||ORU^R01|1|P|2.5\r")
    assert isinstance(message, Message)
    context = Context(message, "America/Sao_Paulo")
    segment = Segment("OBX|1", 1, STANDARD)
    return unmarked(text, Value(text, Source("OBX", 5), segment), context), [p.code for p in context.problems]


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("<b>JOELHO</b><br>Menisco íntegro.<BR/>\nFim", "JOELHO\nMenisco íntegro.\nFim"),
        ("<p>Um</p><p>Dois</p>", "Um\n\nDois"),
        ("T&Oacute;RAX &lt; 3&nbsp;cm", "TÓRAX < 3 cm"),
        ("<p>N&#243;dulo &amp; cisto, 3 x 10<sup>6</sup>/mm<SUP>3</SUP>, CO<sub>2</sub></p>",
         "Nódulo & cisto, 3 x 10^6/mm^3, CO2"),
        ("<html><head><title>x</title><style>p {}</style></head><body>Normal<!-- a --></body></html>", "Normal"),
        ("<table><tr><td>Na</td><td>140</td></tr><tr><td>K</td><td>4,1</td></tr></table>", "Na\t140\n\nK\t4,1"),
        ("<ul><li>um</li><li>dois</li></ul>", "- um\n\n- dois"),
        ("<b>Lado <s>direito</s> esquerdo</b>", "Lado [riscado: direito] esquerdo"),
        ('<p>Curva: <img src="data:image/png;base64,AA"></p>', "Curva: [imagem]"),
        ("<b>a</b><style> b", "a<style> b"),
    ],
)  # fmt: skip
def test_marks_become_the_text_they_show(sent: str, shown: str) -> None:
    assert plain(sent) == (shown, ["field.markup"])


@pytest.mark.parametrize(
    "sent", ["< 3 mm e > 1 mm", "nódulo <LSD>", "a<b e c>d", "R&D; R & D", "&naoexiste;", "PSA <", "1 <2> 3", ""]
)
def test_other_text_with_such_signs_stays(sent: str) -> None:
    assert plain(sent) == (sent, [])


def test_a_result_and_its_note_and_a_document() -> None:
    report = REPORT.format(text="<b>T\\T\\oacute;rax</b><br>normal") + "NTE|1||<i>ver</i> anterior\r"
    found = made("ORU^R01", report)[0]["Observation"][0]
    assert found["valueString"] == "Tórax\nnormal" and found["note"] == [{"text": "ver anterior"}]
    text = "<p>Evolução</p>"
    document = f"EVN|T02\rTXA|1|EV^EVOLUCAO^L|TX||||||||||D1|||||LA\rOBX|1|TX|EV^EVOLUCAO^L||{text}||||||F\r"
    attachment = made("MDM^T02", document)[0]["DocumentReference"][0]["content"][0]["attachment"]
    assert attachment["contentType"] == "text/html; charset=utf-8"
    assert base64.b64decode(attachment["data"]).decode() == text


def test_lines_of_one_report_are_read_as_one_text_and_told_once() -> None:
    head = "MSH|^~\\&|A|B|||20261110||ORU^R01|1|P|2.5\rPID|1||7^^^H^MR||Souza^Ana\r"
    more = "OBX|2|TX|LAUDO^LAUDO^L||normal</b>||||||F\r"
    message = er7.read((head + REPORT.format(text="<b>Exame") + more).encode())
    assert isinstance(message, Message)
    translation = translate(message, zone="America/Sao_Paulo")
    assert [d.body["valueString"] for d in translation.drafts if d.type == "Observation"] == ["Exame\nnormal"]
    assert [p.code for p in translation.problems].count("field.markup") == 1


@pytest.mark.parametrize("piece", ["<style>", "<!--", "<b ", "<b>", "&#1;", "<p><s>"])
def test_it_is_read_in_time_that_grows_with_its_length(piece: str) -> None:
    begin = time.perf_counter()
    plain("<b>x</b>" + piece * 40_000)
    assert time.perf_counter() - begin < 5
