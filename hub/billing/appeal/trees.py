"""The body of an appeal: guiaRecursoGlosa, and guiaRecursoGlosaOdonto for a batch of dental guides.

Items by guide; a guide judged as a whole is appealed as a whole, a protocol judged as a whole likewise.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from canonical.billing import money
from canonical.errors import Conflict
from hub.billing.appeal import records as appeal_records
from hub.billing.appeal.records import Names
from hub.billing.profiles import PayerProfile
from hub.store.database import Row, Transaction
from tiss.wire import latin1

LONGEST_JUSTIFICATION = 500
DENTAL = "odonto"
_TEETH = "SELECT number, tree FROM guide WHERE tenant_id = $1 AND id = ANY($2::uuid[])"
Tree = dict[str, Any]
Items = Mapping[str, Mapping[str, Any]]


async def body_of(tx: Transaction, profile: PayerProfile, row: Row, today: str) -> Tree:
    """The body of the appeal in `row`; raises Conflict where what it is about has no batch or no numeric protocol."""
    by_guide = await appeal_records.denials_of(tx, row["id"])
    names = await appeal_records.names_of(tx, by_guide)
    batch = await tx.row("SELECT number, kind FROM batch WHERE tenant_id = $1 AND id = $2", row["batch_id"])
    if batch is None or not row["batch_protocol"].isdigit():
        raise Conflict("an appeal needs the batch it is about, and a numeric protocol", code="appeal.no-batch")
    claimed = sum(found["amount_cents"] for group in by_guide.values() for found in group)
    whole = by_guide.pop("", [])
    dental = batch["kind"] == DENTAL
    head = {
        "registroANS": profile.ans,
        "numeroGuiaRecGlosaPrestador": str(row["number"]),
        "nomeOperadora": profile.partner.name,
        "objetoRecurso": "1" if whole else "2",
        "dadosContratado": profile.contracted,
        "numeroLote": str(batch["number"]),
        "numeroProtocolo": row["batch_protocol"],
    }
    if whole:
        option = _protocol(whole)
    elif dental:
        trees = await _trees(tx, by_guide)
        option = {
            "recursoGuia": [_dental(names[told], of, trees.get(names[told].own, {})) for told, of in by_guide.items()]
        }
    else:
        option = {"recursoGuia": [_guide(names[told], of) for told, of in by_guide.items()]}
    tree = {**head, "opcaoRecurso": option, "valorTotalRecursado": money(claimed), "dataRecurso": today}
    return {"guiaRecursoGlosaOdonto" if dental else "guiaRecursoGlosa": tree}


async def _trees(tx: Transaction, by_guide: Mapping[str, Sequence[Row]]) -> dict[str, Tree]:
    """The trees of dental guides by number: their acts hold tooth, region, faces, quantity."""
    ids = [rows[0]["guide_id"] for rows in by_guide.values() if rows[0]["guide_id"] is not None]
    found = await tx.rows(_TEETH, ids)
    return {row["number"]: json.loads(row["tree"]) for row in found}


def _protocol(rows: Sequence[Row]) -> Tree:
    """The protocol as a whole: one glosa code and its justification."""
    first = rows[0]
    return {
        "recursoProtocolo": {
            "codigoGlosaProtocolo": first["glosa_code"],
            "justificativaProtocolo": first["justification"],
        }
    }


def _named(names: Names) -> Tree:
    return {"numeroGuiaOperadora": names.operator} if names.operator else {}


def _guide(names: Names, rows: Sequence[Row]) -> Tree:
    whole = [row for row in rows if row["code"] is None]
    if whole:
        option: Tree = {
            "recursoGuiaCompleta": [
                {"codGlosaGuia": row["glosa_code"], "justificativaGuia": row["justification"]} for row in whole
            ]
        }
    else:
        option = {"itensGuia": [_item(row) for row in rows]}
    return {"numeroGuiaOrigem": names.own, **_named(names), "opcaoRecursoGuia": option}


def _item(row: Row) -> Tree:
    return {
        "sequencialItem": str(row["sequence"]),
        "dataInicio": row["executed_on"].isoformat(),
        "procRecurso": _procedure(row),
        "codGlosaItem": row["glosa_code"],
        "valorRecursado": money(row["amount_cents"]),
        "justificativaItem": row["justification"],
    }


def _procedure(row: Row) -> Tree:
    return {
        "codigoTabela": row["tiss_table"],
        "codigoProcedimento": row["code"],
        "descricaoProcedimento": row["description"],
    }


def _dental(names: Names, rows: Sequence[Row], guide: Tree) -> Tree:
    """A dental guide is named with one glosa and justification, its acts below it (none: the guide as a whole).

    It names the beneficiary where the guide itself does, as versions before 4.00.00 want.
    """
    acts: Items = {act["sequencialItem"]: act for act in guide.get("procedimentosExecutados", ())}
    name = guide.get("dadosBeneficiario", {}).get("nomeBeneficiario")
    whole = [row for row in rows if row["code"] is None]
    leading = max(whole or rows, key=lambda row: int(row["amount_cents"]))
    reasons = " ".join(dict.fromkeys(row["justification"] for row in whole or [leading]))
    tree: Tree = {
        "numeroGuiaPrestador": names.own,
        **_named(names),
        **({"nomeBeneficiario": name} if name else {}),
        "codGlosaGuia": leading["glosa_code"],
        "justificativaGuia": latin1.fit(reasons, LONGEST_JUSTIFICATION),
    }
    if not whole:
        tree["recursoProcedimento"] = [_act(row, acts.get(str(row["sequence"]), {})) for row in rows]
    return tree


def _act(row: Row, act: Mapping[str, Any]) -> Tree:
    return {
        "sequencialItem": str(row["sequence"]),
        "dataRealizacao": row["executed_on"].isoformat(),
        **{name: act[name] for name in ("denteRegiao", "denteFace") if name in act},
        "quantidade": act.get("qtdProc", "1"),
        "procRecurso": _procedure(row),
        "codGlosaProc": row["glosa_code"],
        "justificativaProc": row["justification"],
        "valorRecursado": money(row["amount_cents"]),
    }
