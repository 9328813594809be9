"""read HL7 v2 files offline: as FHIR, as a tree, their problems; or judge them by their version"""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.cli import output
from api.hl7_conform import conform_file, read_profile
from api.hl7_reading import ReadError, read_file
from fhir import jsontext
from mappings.tables.site import Site

ZONE = "America/Sao_Paulo"
PIECE = 1024 * 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    """`hl7 read FILE… [--to fhir|tree|problems]`, `hl7 conform FILE… [--version V] [--profile FILE]`; both `--json`."""
    actions = parser.add_subparsers(dest="action", required=True)
    read = actions.add_parser("read", help="one result per message; batches and MLLP captures are split")
    read.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    read.add_argument("--to", choices=["fhir", "tree", "problems"], default="fhir")
    read.add_argument("--json", action="store_true", help="one JSON object per message, on one line")
    read.add_argument("--zone", default=ZONE, help="time zone of times sent without one")
    read.add_argument("--overlay", default="", help="read as a channel with this overlay (mappings/partners) does")
    read.add_argument("--charset", default="", help="character set of the files, whatever MSH-18 says")
    judge = actions.add_parser("conform", help="each message against the structure and fields of its HL7 version")
    judge.add_argument("files", nargs="+", metavar="FILE", help="a file, or - for standard input")
    judge.add_argument("--version", default="", help="judge as this version (2.1 to 2.8.2), whatever MSH-12 says")
    judge.add_argument(
        "--profile", action="append", default=[], metavar="FILE",
        help="judge by this message profile (XML) too; again for the files of its conditions and value sets",
    )  # fmt: skip
    judge.add_argument("--json", action="store_true", help="one JSON object per message, on one line")


def run(given: argparse.Namespace) -> int:
    """0 when every message is good, 1 when data is wrong, 2 when a file (or a message to judge) cannot be read."""
    worst = 0
    for name in given.files:
        try:
            for line in _lines(name, given):
                worst = max(worst, _mark(line))
                if given.json:
                    output.say(jsontext.text(line))
                elif given.action == "conform":
                    _show_conformance(line)
                else:
                    _show(line)
        except ReadError as error:
            output.complain(str(error))
            return 2
    return worst


def _mark(line: dict[str, Any]) -> int:
    if not line.get("readable", True):
        return 2
    return 0 if line["ok"] else 1


def _lines(name: str, given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    try:
        with contextlib.ExitStack() as stack:
            file = sys.stdin.buffer if name == "-" else stack.enter_context(Path(name).open("rb"))
            pieces = iter(lambda: file.read(PIECE), b"")
            if given.action == "conform":
                agreed = read_profile(*(Path(file).read_bytes() for file in given.profile)) if given.profile else None
                yield from conform_file(name, pieces, version=given.version, agreed=agreed)
                return
            yield from read_file(
                name, pieces, to=given.to, zone=given.zone, charset=given.charset, site=Site(overlay=given.overlay)
            )
    except OSError as error:
        raise ReadError(f"{error.filename or name}: {error.strerror}") from None


def _show(line: dict[str, Any]) -> None:
    """For a person: what came, what became of it, what is wrong and how to mend it."""
    output.say(f"{line['file']} #{line['index']}  {line['type'] or '?'}  {'ok' if line['ok'] else 'ERRO'}")
    for name, counts in (("segmentos", line["segments"]), ("campos", line["fields"])):
        output.say(
            f"  {name}: {counts['total']} = {counts['mapped']} mapeados + {counts['ignored']} ignorados "
            f"+ {counts['unmapped']} sem destino"
        )
    if "tree" in line:
        for segment in line["tree"]:
            output.say(f"  {segment['segment']}: {len(segment['fields'])} campos")
    for entry in (line["bundle"] or {}).get("entry", ()):
        output.say(f"  {entry['resource']['resourceType']}/{entry['resource']['id']}")
    for field in line.get("accounting", ()):
        output.say(f"  {field['segment']}#{field['index']}-{field['field']}: {_became(field)}")
    _show_problems(line["problems"])


def _show_conformance(line: dict[str, Any]) -> None:
    """For a person: what was judged as which version, our findings, and those of hl7apy beside them."""
    verdict = "conforme" if line["ok"] else "NÃO CONFORME"
    output.say(
        f"{line['file']} #{line['index']}  {line['type'] or '?'} {line['structure']} {line['version']}  {verdict}"
    )
    _show_problems(line["problems"])
    if "profile" in line:
        output.say(f"  perfil: {'conforme' if line['profile']['ok'] else 'NÃO CONFORME'}")
        _show_problems(line["profile"]["findings"])
    theirs = line["hl7apy"]
    if not line["readable"]:
        return
    verdict = "não julgou" if theirs["ok"] is None else "conforme" if theirs["ok"] else "não conforme"
    output.say(f"  hl7apy: {verdict}")
    for finding in theirs["findings"]:
        output.say(f"    [{finding['severity']}] {finding['code']} em {finding['where'] or '?'}: {finding['text']}")


def _show_problems(problems: list[dict[str, str]]) -> None:
    for problem in problems:
        output.say(f"  [{problem['severity']}] {problem['code']} em {problem['where']}: {problem['text']}")
        if problem["remedy"]:
            output.say(f"      {problem['remedy']}")


def _became(field: dict[str, Any]) -> str:
    """What became of one field: the places it went to and by which rows, or why it did not."""
    if field["fate"] == "mapped":
        said = f"{', '.join(field['paths']) or 'lido'}  ({', '.join(field['rows'])})"
        over = [f"não usado em {item['path']}: já dito por {item['said_by']}" for item in field.get("unused", ())]
        rest = [f"sem lugar: {item['part']} ({item['reason']})" for item in field.get("left", ())]
        return "; ".join([said, *over, *rest])
    if field["fate"] == "ignored":
        return f"ignorado: {field['reason']}" + (f"  ({field['row']})" if field["row"] else "")
    return "sem destino"
