"""The pages on TISS transactions and rules are written from their tables (`--accept` writes them anew)."""

from __future__ import annotations

import csv

import pytest

from canonical.problem import catalogue
from tests.docs.test_reference import compare
from tiss.checking import offers
from tiss.rules.agreed import ENCODINGS
from tiss.rules.case import FOLDER, rules
from tiss.rules.layout import sections
from tiss.wire import transactions


@pytest.fixture
def accept(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--accept"))


def test_transactions(accept: bool) -> None:
    lines = [
        "# TISS transactions",
        "",
        "All 27, read and written in the file form (`mensagemTISS`) and in the web-service form, in every installed version",
        "that has them. From `tiss/wire/transactions.csv`.",
        "",
    ]
    for direction, title in (("request", "From the provider"), ("reply", "From the operator")):
        head = "| tipoTransacao | body in the file | told apart by | root in the web service | body there | operation | reply |"
        lines += [f"## {title}", "", head, "| --- | --- | --- | --- | --- | --- | --- |"]
        for row in transactions.table().values():
            if row.direction == direction:
                cells = (row.name, row.body, " ".join(row.branch), row.root, row.child, row.operation, row.reply)
                lines.append("| " + " | ".join(f"`{cell}`" if cell else "" for cell in cells) + " |")
        lines.append("")
    lines += [
        "The operator's monthly monitoring file to the ANS is not the hub's business and is neither read nor written.",
        "",
        "## As JSON",
        "",
        "`ponte tiss show --json FILE` gives a message as the description that `ponte tiss build` takes: `version`, `form`",
        "(`file` or `service`), `root` and `message`, a tree of element name to text, tree, or list of either. The builder",
        "puts the elements into the standard's order, writes ISO-8859-1 and computes the hash; signatures are left out.",
        "",
    ]
    compare("tiss-transactions.md", "\n".join(lines), accept)


_PROSE = (
    "",
    "## How a wrong hash is explained",
    "",
    "The stated value is tried against every recipe known to be in use, and named: another encoding (UTF-8, UTF-16,",
    "Windows-1252, ISO-8859-1 under another declaration), all text with the blanks between tags, trimmed texts, no blanks,",
    "upper or lower case, no accents, a line end, without login, without header, with the hash itself, the XML text, SHA-1",
    "or SHA-2. Files beyond 8 MB that are no stream are told the right value only. A reply or statement of a payer",
    "is judged the same way (`hash.reply.…`) and read all the same, unless `replies.hash` of its profile says otherwise; the",
    "finding stands on the message it is kept as.",
    "",
    "## One cause, one finding",
    "",
    "What follows from another finding is not told beside it (`echoes.csv`): a total that holds the right product of a line",
    "whose own total is wrong, parts that are off because an expense has the wrong kind, items outside a period that ends",
    "before it begins, links to a number that is used twice. A batch whose guides all name another operator than its header",
    "has one finding, at the header.",
    "",
    "What the schema does not take where it stands is told by its reason (`xsd.content.…`): written with other capitals, out",
    "of order, there too often, of another version, unknown, or standing where another tag is missing. A message whose content",
    "is wholly of another version than `Padrao` says has one finding (`header.version.content`), and so has one whose",
    "transaction the version lacks (`header.transaction.absent`); both are then checked as what they are. Tags without the",
    "namespace of the ANS are checked as if they had it (`header.namespace…`).",
    "",
    "Values written in another way (a date day first or without dashes, a decimal comma, `CRM` for `06`, `Sim` for `S`, zeros a",
    "spreadsheet took, points in a TUSS code) are named, and repaired where one reading only is possible; words and codes are",
    "`spellings.csv`.",
    "",
    "## Several files together",
    "",
    "Files of one call of `ponte tiss validate`, and members of one ZIP, are also looked at side by side: the same message",
    "again (`duplicate.file`), a numeroLote used twice (`duplicate.lot`), a guide number of another file",
    "(`duplicate.guide.elsewhere`), and an item of the same patient, day, hour, tooth and performer in two guides",
    "(`duplicate.billed`, within a file too; files read as a stream included). Materials and medicines are used again and again on one",
    "day: an expense is the same by what `tiss/checking/expenses.csv` says of its kind (a diária by its day, OPME by its reference, others by",
    "hour, quantity and amount).",
    "",
    "## Messages that travel as text",
    "",
    "A request, a reply or a file whose message stands as escaped XML or CDATA in a string (`header.escaped`), or inside",
    "elements of another namespace (`header.wrapper`), is read as the message it is.",
    "",
    "## Signatures",
    "",
    "The signatures of the message and of its guides (`assinaturaDigitalGuia`) are judged in every checked file, each with a",
    "verdict, its reason and who signed (`signatures` of the answer). One that fails is an error at its guide. Whom to trust",
    "says `PONTE_TRUST` (`--trust` of `ponte tiss validate`); without it an intact signature is left undecided, which is only",
    "said. A guide's signature may cover the guide alone, as signed before it came into the batch, or the whole message as it",
    "was when the guide was signed; it may name its guide by an Id, in it or beside it (`ds:Signature` in `guiasTISS`), or",
    "pick it by an XPath or XPath Filter 2.0 of a usual kind. A `ds:Signature` inside `assinaturaDigitalGuia` (the schema wants",
    "its children there) is judged with that wrapper as part of what was signed, and without. One that fails names its glosa:",
    "3168 at a guide, 5018 to 5022 for certificates and for the message.",
    "",
    "## Large files",
    "",
    "Beyond 64 MB batches of guides, statements (demonstrativos), appeals and their answers are read as a stream, a few guides",
    "at a time, in flat memory (`tiss/streams/levels.csv` says what is let go). They are checked by the same schema and rules,",
    "sums over what was let go included; a wrong hash is explained by the recipes that need no second look at the file. Not",
    "told are how often a statement may repeat, and what needs the whole file at once (content of another version). Other",
    "messages beyond 64 MB, and one guide of that size, are refused; signatures in what is streamed are not judged.",
    "",
)


def test_rules(accept: bool) -> None:
    lines = [
        "# TISS rules",
        "",
        "What is checked beyond the official schema, from `tiss/rules/*.csv`. Severity `off` waits for a payer's contract; any",
        "severity can be changed for a payer. The glosa is the code of table 38 the finding would become. What the schema",
        "itself says has codes that begin with `xsd.`; words and remedies stand in [problem codes](problems.md).",
        "",
        "| code | where | severity | glosa | repair | rule |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    where = _where()
    for code, rule in sorted(rules().items()):
        kind = offers.kinds().get(code, ("", ""))[0]
        places = ", ".join(sorted(where.get(code, set()) | set(rule.kinds))) or "the message"
        lines.append(f"| `{code}` | {places} | {rule.severity} | {rule.glosa} | {kind} | {rule.source} |")
    lines += [
        "",
        "## Per payer",
        "",
        "Tables of a payer's profile (`adapters/payers/*.toml`); a tenant's own partner settings lie over them key by key. A key,",
        "code or version that does not exist is an error: in a profile at the start, with its line; in a tenant's settings that",
        "payer is left out until it is mended, and the log names the key.",
        "",
        "| key | value | effect |",
        "| --- | --- | --- |",
        "| `contract.days` | days | an item done longer ago than this when it is sent: `payer.late` |",
        "| `contract.largest_bytes` | bytes | the largest file, signature included: a larger batch is closed as halves; one guide"
        " beyond it: `payer.size` |",
        "| `contract.tolerance_cents` | cents | how far an item's total may be off by rounding |",
        f"| `contract.hash_encoding` | {', '.join(f'`{name}`' for name in ENCODINGS)} | the encoding this payer hashes in |",
        '| `levels."code"` | `error`, `warning`, `information`, `off` | what a rule above is for this payer: `error` blocks,'
        " `off` is not told |",
        '| `until."version"` | day, as text `YYYY-MM-DD` | the last day this payer takes the version: `header.version-expired` |',
        "| `replies.hash` | `warning`, `error`, `information`, `off` | a wrong hash in what this payer sends: `error`, and the"
        " message is not read |",
        "",
        "## Sections",
        "",
        "| section | stands in |",
        "| --- | --- |",
    ]
    parents: dict[str, list[str]] = {}
    with (FOLDER / "sections.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            parents.setdefault(row["section"], []).append(f"`{row['parent']}/{row['path']}`")
    lines += [f"| {name} | {', '.join(places)} |" for name, places in sorted(parents.items())]
    lines += _PROSE
    compare("tiss-rules.md", "\n".join(lines), accept)


def _where() -> dict[str, set[str]]:
    """The sections each code of a rule table applies to."""
    found: dict[str, set[str]] = {}
    for name in ("checks.csv", "totals.csv", "twins.csv"):
        with (FOLDER / name).open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                assert row["section"] in sections()
                found.setdefault(row["code"], set()).add(row["section"])
    return found


def test_every_rule_has_words_and_a_page() -> None:
    assert set(rules()) <= set(catalogue())
