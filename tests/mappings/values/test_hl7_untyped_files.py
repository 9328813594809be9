"""Files in Base64 of senders that do not say ED in OBX-2, and titles where a degree belongs."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from hl7 import er7
from hl7.er7 import Message
from hub.records.drafts.offline import bundle
from mappings.reading.engine import translate

PDF = base64.b64encode(b"%PDF-1.4\n" + b"laudo " * 40).decode()
JPEG = base64.b64encode(b"\xff\xd8\xff\xe0" + b"\x01" * 200).decode()


def made(kind: str, *lines: str) -> tuple[list[dict[str, Any]], list[str]]:
    """The resources of a message and the codes of its findings."""
    head = [f"MSH|^~\\&|LIS|HOSP|P|H|20261122110000||{kind}|D1|P|2.5", "PID|1||A^^^HOSP^MR||Souza^Ana"]
    message = er7.read(("\r".join([*head, *lines]) + "\r").encode())
    assert isinstance(message, Message)
    found = translate(message, zone="America/Sao_Paulo")
    whole, problems = bundle(found.drafts, "x")
    return [e["resource"] for e in whole["entry"]], [p.code for p in (*found.problems, *problems)]


def result(kind: str, *values: str) -> tuple[list[dict[str, Any]], list[str]]:
    report = "OBR|1|P1|F1|LAU^Laudo|||20261122|||||||||||||||20261122||LAB|F"
    return made("ORU^R01", report, *(f"OBX|{n}|{kind}|PDF^Laudo||{v}||||||F" for n, v in enumerate(values, 1)))


FILES = {
    "no type": ("", (PDF,), "application/pdf"),
    "text": ("TX", (PDF,), "application/pdf"),
    "text, in pieces": ("TX", (PDF[:140], PDF[140:]), "application/pdf"),
    "formatted text with line breaks": ("FT", (PDF[:120] + "\\.br\\" + PDF[120:],), "application/pdf"),
    "an image": ("ST", (JPEG,), "image/jpeg"),
    "an ED without its type": ("", ("^^^Base64^" + PDF,), "application/pdf"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_is_one_whatever_obx_2_says(case: str) -> None:
    kind, values, media = FILES[case]
    resources, problems = result(kind, *values)
    (document,) = [r for r in resources if r["resourceType"] == "DocumentReference"]
    (content,) = document["content"]
    assert content["attachment"]["contentType"] == media and content["attachment"]["title"] == "Laudo"
    assert content["attachment"]["data"] in (PDF, JPEG) and problems == ["structure.embedded-type"]


@pytest.mark.parametrize("text", ["A" * 300, PDF[:60], PDF + "!", "JVBER quer dizer %PDF em Base64" + " laudo" * 30])
def test_a_text_stays_a_text(text: str) -> None:
    resources, problems = result("TX", text)
    (found,) = [r for r in resources if r["resourceType"] == "Observation"]
    assert found["valueString"] == text and not problems


def test_a_document_message_holds_the_same_files() -> None:
    resources, _ = made("MDM^T02", "TXA|1|DS|TX|20261122||||||||D9", "OBX|1|TX|A^Laudo||Normal||||||F",
        f"OBX|2|TX|B^Anexo||{PDF[:140]}||||||F", f"OBX|3|TX|B^Anexo||{PDF[140:]}||||||F")  # fmt: skip
    (document,) = [r for r in resources if r["resourceType"] == "DocumentReference"]
    contents = [one["attachment"] for one in document["content"]]
    assert [c["contentType"] for c in contents] == ["text/plain; charset=utf-8", "application/pdf"]
    assert contents[1]["data"] == PDF


def test_a_title_where_the_degree_belongs() -> None:
    resources, _ = made("ADT^A01", "PV1|1|I|||||123^Reis^Nora^^^^DRA|45^Lima^Rui^^^Dr.^MD")
    people = {r["identifier"][0]["value"]: r for r in resources if r["resourceType"] == "Practitioner"}
    assert people["123"]["name"][0]["prefix"] == ["Dra."] and "qualification" not in people["123"]
    assert people["45"]["qualification"][0]["code"]["coding"][0]["code"] == "MD"


RTF = "{\\rtf1\\ansi{\\fonttbl{\\f0 Arial;}}\\f0 T\\'f3rax\\~normal\\par Fígado\\par}"
AS_FILE = RTF.replace("í", "\\u237?").encode()


@pytest.mark.parametrize("kind", ["TX", "FT", "ST", ""])
@pytest.mark.parametrize("sent", [RTF, RTF.replace("\\", "\\E\\").replace("~", "\\R\\"), " " + RTF])
def test_an_rtf_is_a_file_whatever_type_its_sender_says(kind: str, sent: str) -> None:
    resources, problems = result(kind, sent)
    (document,) = [r for r in resources if r["resourceType"] == "DocumentReference"]
    (content,) = document["content"]
    assert content["attachment"]["contentType"] == "application/rtf"
    assert base64.b64decode(content["attachment"]["data"]) == AS_FILE
    assert "rtf1" not in str([r for r in resources if r["resourceType"] == "Observation"])
    assert "structure.embedded-type" in problems


@pytest.mark.parametrize("sub", ["", "n"])
def test_the_lines_of_an_rtf_are_one_file_until_its_groups_close(sub: str) -> None:
    lines = ["{\\rtf1\\ansi T\\'f3rax", "Normal", "\\{x\\par}", "Liberado pelo sistema"]
    report = "OBR|1|P1|F1|LAU^Laudo|||20261122|||||||||||||||20261122||LAB|F"
    rows = [f"OBX|{n}|TX|L^Laudo|{sub and n}|{line}||||||F" for n, line in enumerate(lines, 1)]
    resources, _ = made("ORU^R01", report, *rows)
    (document,) = [r for r in resources if r["resourceType"] == "DocumentReference"]
    (content,) = document["content"]
    assert base64.b64decode(content["attachment"]["data"]).decode() == "\n".join(lines[:3])
    texts = [r["valueString"] for r in resources if r["resourceType"] == "Observation"]
    assert texts == [lines[3]]


def test_a_text_that_speaks_of_rtf_stays_a_text() -> None:
    resources, _ = result("TX", "{rtf} segue em anexo")
    assert [r["valueString"] for r in resources if r["resourceType"] == "Observation"] == ["{rtf} segue em anexo"]


WORDS = "text/plain; charset=utf-8"
ESCAPED = "{\\E\\rtf1\\E\\ansi Laudo \\E\\{normal\\E\\}\\E\\par}"


@pytest.mark.parametrize(("behind", "words"), [("~Exame normal", "Exame normal"), (" Exame~normal", "Exame\nnormal")])
def test_words_behind_an_rtf_are_a_content_of_their_own(behind: str, words: str) -> None:
    resources, told = result("FT", ESCAPED + behind)
    (document,) = (r for r in resources if r["resourceType"] == "DocumentReference")
    contents = [
        (c["attachment"]["contentType"], base64.b64decode(c["attachment"]["data"])) for c in document["content"]
    ]
    rtf = b"{\\rtf1\\ansi Laudo \\{normal\\}\\par}"
    assert contents == [("application/rtf", rtf), (WORDS, words.encode())] and told == ["structure.embedded-type"]


@pytest.mark.parametrize("behind", ["", "~", "}"])
def test_signs_behind_an_rtf_are_no_words(behind: str) -> None:
    resources, _ = result("FT", ESCAPED + behind)
    (document,) = (r for r in resources if r["resourceType"] == "DocumentReference")
    assert [c["attachment"]["contentType"] for c in document["content"]] == ["application/rtf"]


@pytest.mark.parametrize(
    ("kind", "sent", "media"), [("RTF", ESCAPED, "application/rtf"), ("PDF", PDF, "application/pdf")]
)
def test_a_type_that_hl7_does_not_have_names_the_file(kind: str, sent: str, media: str) -> None:
    resources, told = result(kind, sent)
    (document,) = (r for r in resources if r["resourceType"] == "DocumentReference")
    assert document["content"][0]["attachment"]["contentType"] == media and told == ["structure.embedded-type"]
    assert not [r for r in resources if r["resourceType"] == "Observation"]
