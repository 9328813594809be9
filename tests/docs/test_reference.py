"""The reference is written from the code (`--accept` writes it anew), and names only what exists."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import importlib
import re
from pathlib import Path

import pytest

from adapters import payer_terms, registry
from adapters.transports import acknowledging
from api.cli.main import commands
from hub.exchange.out.delivery import Policy
from hub.partners.document import WAYS
from hub.partners.keys import keys
from hub.settings import Settings
from mappings.tables.table import codes
from schemas_xsd.catalogue import schema_sets
from tiss.rules import agreed

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference"
ROOMS = ("canonical", "hl7", "tiss", "fhir", "signatures", "mappings", "adapters", "hub", "api")


def compare(name: str, text: str, accept: bool) -> None:
    path = REFERENCE / name
    if accept:
        path.write_text(text, encoding="utf-8")
    assert path.exists() and path.read_text(encoding="utf-8") == text, (
        f"{name} is stale: ./ponte test tests/docs --accept"
    )


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--accept"))


def test_commands(accept: bool) -> None:
    lines = [
        "# Commands",
        "",
        "Exit codes: 0 good, 1 the data is wrong, 2 usage or unreadable input, 3 undecided, 4 the",
    ]
    lines += ["environment is wrong. `--json` prints one JSON object per line and nothing else on standard output.", ""]
    for name in commands():
        module = importlib.import_module(f"api.cli.{name}")
        parser = argparse.ArgumentParser(prog=name)
        module.arguments(parser)
        lines += [f"## `./ponte {name}`", "", (module.__doc__ or "").strip().split("\n", 1)[0], ""]
        lines += [*told(parser), ""]
    compare("commands.md", "\n".join(lines).rstrip() + "\n", accept)


def told(parser: argparse.ArgumentParser, prefix: str = "") -> list[str]:
    lines = []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, child in action.choices.items():
                lines += [f"* `{name}`"] if not prefix else [f"{prefix}* `{name}`"]
                lines += told(child, prefix + "  ")
        elif not isinstance(action, argparse._HelpAction):
            shown = ", ".join(f"`{option}`" for option in action.option_strings) or f"`{action.dest.upper()}`"
            lines.append(f"{prefix}* {shown}" + (f": {action.help}" if action.help else ""))
    return lines


def test_orders_and_results(accept: bool) -> None:
    """The statuses as the code tables have them; `-` is a code that says nothing about the state, on purpose."""
    lines = [
        "# Orders and results",
        "",
        "What HL7 codes become, from `mappings/codes`. `-`: the state stays as it is.",
        "",
    ]
    for title, columns in _STATUSES.items():
        tables = [codes(name) for name in columns.values()]
        lines += [f"## {title}", "", "| code | " + " | ".join(columns) + " |", "| --- |" + " --- |" * len(columns)]
        for code in sorted({code for table in tables for code in table}):
            shown = [table.get(code, "").replace("|", " / ") or "-" for table in tables]
            lines.append(f"| `{code}` | " + " | ".join(shown) + " |")
        lines.append("")
    lines += [
        "The hub's answer is for an order it knows / does not know. A request (CA, DC, HD, RL, RP, XO, RF) changes no"
    ]
    lines += ["status until the filler confirms it; codes marked `true` change known orders and create none.", ""]
    compare("orders-and-results.md", "\n".join(lines).rstrip() + "\n", accept)


def test_administration(accept: bool) -> None:
    """What each event does, from the tables; an empty place says nothing of it."""
    lines = [
        "# Patient administration",
        "",
        "What each event does, from `mappings/codes/adt-event-*.csv` and `identity-*.csv`.",
        "",
    ]
    visits = {"status": "adt-event-status", "must be known": "adt-event-must-exist", "places": "adt-event-action"}
    lines += [
        "## Visits and persons",
        "",
        "| event | " + " | ".join(visits) + " | takes away |",
        "| --- |" + " --- |" * 4,
    ]
    for event in sorted(codes("adt-event-must-exist")):
        shown = [codes(name).get(event, "") for name in visits.values()]
        cleared = codes("adt-event-clear").get(event, "").replace("extension:", "").replace(" ", ", ")
        lines.append(f"| {event} | " + " | ".join([*shown, cleared.rpartition("/")[2]]) + " |")
    kinds = {"patient": "identity-patient", "account": "identity-account", "visit": "identity-visit"}
    lines += ["", "## Who a record is", "", "| event | " + " | ".join(kinds) + " |", "| --- |" + " --- |" * 3]
    for event in sorted(codes("identity-patient")):
        lines.append(f"| {event} | " + " | ".join(codes(name).get(event, "") for name in kinds.values()) + " |")
    lines += ["", "## Accounts (BAR)", "", "| event | status | must be known |", "| --- | --- | --- |"]
    for event in sorted(codes("bar-event-status")):
        lines.append(f"| {event} | {codes('bar-event-status')[event]} | {codes('bar-event-must-exist')[event]} |")
    lines += ["", "## Movements with a number (IHE PAM, ZBE)", "", "| ZBE-4 | what is done |", "| --- | --- |"]
    done = {
        "insert": "a stay begins at ZBE-2, whatever came after it (ZBE-5 `Y`), and keeps the number",
        "update": "the stay of that number gets another place or time; the neighbours' ends follow, of the first and last the visit's",
        "cancel": "the stay of that number goes; the one before lasts until the next",
        "refer": "nothing: it only names a movement",
    }
    lines += [f"| {act} | {done[what]} |" for act, what in codes("zbe-act").items()]
    compare("administration.md", "\n".join(lines) + "\n", accept)


def test_partners(accept: bool) -> None:
    """Every key of a partner's document, from the table that reads it."""
    policy = Policy()
    lines = [
        "# Partners",
        "",
        "Every key of a partner's document, from `hub/partners/keys.csv`; `table.key` stands under `[table]` in TOML.",
        "How to use it: [Connect a payer or a laboratory](../how-to/connect-a-payer.md).",
        "",
        "| key | of | value | |",
        "| --- | --- | --- | --- |",
    ]
    for key in keys().values():
        needed = "; needed" if key.needed else ""
        lines.append(f"| `{key.key}` | {', '.join(key.kinds)} | {key.type}{needed} | {key.en} |")
    lines += ["", "## Transport", "", "| kind | keys | of |", "| --- | --- | --- |"]
    for kind, known in registry.TRANSPORT_SETTINGS.items():
        of = [name for name, ways in WAYS.items() if kind in ways]
        if of:
            shown = ", ".join(f"`{name}`" for name in sorted(known - {"kind"}))
            lines.append(f"| `{kind}` | {shown} | {', '.join(of)} |")
    lines += [
        "",
        "`secret`, `certificate` and `trust` are names in the tenant's vault (`./ponte secret put`).",
        "A login kept with `--for payer/326305` (`lab/…`, `subscriber/…`, `channel/…`) is given to that partner or channel",
        "alone, whoever else names it; without `--for` any partner of the tenant may name it. What the hub keeps itself for a",
        "Subscription (`subscription/…`) and a receiver of alarms (`watch-…`) serves that one alone. A partner that names",
        "another's is not connected (`transport.certificate`). Who may change a partner may still change its address.",
        f"`[retry]` has {', '.join(f'`{name}`' for name in registry.RETRY_SETTINGS)}, `[acknowledge]` "
        f"{', '.join(f'`{name}`' for name in acknowledging.CHOICES)} and `timeout_s`; what a payer agreed beyond the standard "
        f"stands in {', '.join(f'`[{name}]`' for name in (*agreed.TABLES, *payer_terms.TABLES))}: see "
        "[TISS rules](tiss-rules.md#per-payer).",
        "",
        "## `[retry]`: when a delivery fails",
        "",
        "A delivery that fails (no connection, no answer in time, AR) is tried again, and what waits behind it in its lane",
        "keeps its place. What was refused (AE, CE, AR for type, version or processing id) is not tried again and lets the lane",
        "go on. `./ponte messages find --direction out` tells why one waits; [Operate](../how-to/operate.md) how to send it again",
        "or skip it.",
        "",
        "| key | default | says |",
        "| --- | --- | --- |",
        f"| `attempts` | `{policy.attempts}` | so often, then the delivery gives up (`DEAD`); with the other defaults about a day |",
        f"| `first_s` | `{policy.first_s:g}` | seconds after the first failure; each wait doubles, with up to a fifth more by chance |",
        f"| `most_s` | `{policy.most_s:g}` | the longest wait |",
        f"| `then` | `{policy.then}` | after giving up: `pause` the lane until somebody resumes it, or `continue` with the next |",
    ]
    compare("partners.md", "\n".join(lines) + "\n", accept)


_STATUSES = {
    "Order control (ORC-1, table 0119)": {
        "ServiceRequest": "hl70119",
        "MedicationRequest": "hl70119-medication",
        "MedicationDispense": "hl70119-dispense",
        "SupplyRequest": "hl70119-supply",
        "the hub answers": "hl70119-answer",
        "known orders only": "hl70119-known",
    },
    "Order status (ORC-5, table 0038), which wins over ORC-1": {
        "ServiceRequest": "hl70038",
        "MedicationRequest": "hl70038-medication",
        "MedicationDispense": "hl70038-dispense",
        "SupplyRequest": "hl70038-supply",
        "DiagnosticReport without OBR-25": "hl70038-report",
    },
    "Referrals (REF, RRI: RF1-1, table 0283)": {"ServiceRequest": "hl70283", "Task": "hl70283-task"},
    "Referrals by their event, which wins over RF1-1": {
        "ServiceRequest": "referral-status",
        "Task": "referral-task-status",
        "known referrals only": "referral-known",
    },
    "Report status (OBR-25, table 0123)": {
        "DiagnosticReport": "hl70123",
        "Observation without OBX-11": "hl70123-observation",
        "ServiceRequest without ORC-5": "hl70123-order",
    },
    "Result status (OBX-11, table 0085)": {
        "Observation": "hl70085",
        "DocumentReference.docStatus": "hl70085-document",
        "DocumentReference.status": "hl70085-reference",
    },
    "Completion (RXA-20, table 0322)": {
        "Immunization": "hl70322",
        "MedicationAdministration": "hl70322-administration",
    },
    "Documents (TXA-17 table 0271, TXA-19 table 0273)": {"docStatus": "hl70271", "status": "hl70273"},
    "Appointments (SCH-25, table 0278)": {"Appointment": "hl70278", "participant": "hl70278-participant"},
    "Charges (FT1-6, table 0017)": {"ChargeItem": "hl70017"},
}


def test_problem_codes(accept: bool) -> None:
    lines = [
        "# Problem codes",
        "",
        "The first part of a code names the layer that found it; what the official XSD says begins",
    ]
    lines += ["with `xsd.`. A code without a row of its own uses the words of its nearest ancestor.", ""]
    for room in ROOMS:
        path = ROOT / room / "problems.csv"
        if not path.exists():
            continue
        lines += [
            f"## {room}",
            "",
            "| code | severity | em português | reparo | in English |",
            "| --- | --- | --- | --- | --- |",
        ]
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                cells = (f"`{row['code']}`", row["severity"], row["text_pt"], row["remedy_pt"], row["text_en"])
                lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        lines.append("")
    compare("problems.md", "\n".join(lines).rstrip() + "\n", accept)


def test_every_setting_is_told_and_every_told_one_is_read() -> None:
    page = (REFERENCE / "settings.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `(PONTE_[A-Z_]+)`", page, re.MULTILINE))
    fields = {f"PONTE_{field.name.upper()}" for field in dataclasses.fields(Settings)}
    assert fields <= named, f"tell of {sorted(fields - named)}"
    sources = [*(p for room in (*ROOMS, "schemas_xsd") for p in (ROOT / room).rglob("*.py")), ROOT / "ponte"]
    code = "\n".join(path.read_text(encoding="utf-8") for path in sources)
    unread = {name for name in named - fields if name not in code}
    assert not unread, f"nobody reads {sorted(unread)}"


def test_rooms_exist() -> None:
    page = (REFERENCE / "rooms.md").read_text(encoding="utf-8")
    named = [
        cell
        for cells in re.findall(r"^\|[^|]+\|([^|]+)\|", page, re.MULTILINE)
        for cell in re.findall(r"`([^`]+)`", cells)
    ]
    missing = []
    for name in named:
        pattern = name.replace("<name>", "*")
        if "/" in pattern and not any(True for _ in ROOT.glob(pattern.rstrip("/"))):
            missing.append(name)
    assert not missing, f"rooms.md names what is not there: {missing}"


def test_the_profile_of_the_how_to_loads(tmp_path: Path) -> None:
    """The TOML block of the page passes the strict reading every profile passes."""
    page = (ROOT / "docs" / "how-to" / "add-a-payer-or-lab.md").read_text(encoding="utf-8")
    block = re.search(r"```toml profile\n(.*?)```", page, re.DOTALL)
    assert block is not None
    text = "".join(line[3:] if line.startswith("   ") else line for line in block[1].splitlines(keepends=True))
    (tmp_path / "exemplo_saude.toml").write_text(text, encoding="utf-8")
    profile = registry.load(tmp_path / "exemplo_saude.toml", "payer")
    assert profile.speaks.removeprefix("tiss ") in schema_sets()
    assert (ROOT / "mappings" / "plans" / profile.plan).parent.is_dir()
    (tmp_path / "exemplo_saude.toml").write_text(f"surprise = 1\n{text}", encoding="utf-8")
    with pytest.raises(ValueError, match="surprise"):
        registry.load(tmp_path / "exemplo_saude.toml", "payer")
