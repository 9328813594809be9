"""Clean batches for the tests: trees of consulta and SP/SADT guides that break no rule, in any number and version.

Operator and provider are invented with valid check digits; TUSS codes come from the installed tables.
"""

from __future__ import annotations

import random
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any

from canonical.identifiers import ans_digit, cnpj_digits, cpf_digits
from tiss.tables.tables import installed
from tiss.wire.build import build

Tree = dict[str, Any]
OPERATOR = "000515"
TODAY = "2026-11-20"
CPF = "123456789" + cpf_digits("123456789")
CNPJ = "112223330001" + cnpj_digits("112223330001")
LETTER_CNPJ = "12ABC34501DE" + cnpj_digits("12ABC34501DE")
EXAMS = ("40301630", "40304361", "40302040", "40901300", "40808041", "20102011")
EXPENSES = {"01": "18", "02": "20", "03": "19", "05": "18", "07": "18", "08": "19"}
PARTS = {
    "01": "valorGasesMedicinais",
    "02": "valorMedicamentos",
    "03": "valorMateriais",
    "05": "valorDiarias",
    "07": "valorTaxasAlugueis",
    "08": "valorOPME",
}
_CENT = Decimal("0.01")


def unknown_operator(base: str = "99123") -> str:
    """A registro ANS with the right check digit that the register does not list."""
    return base + ans_digit(base)


def product(quantity: str, unit: str, factor: str) -> str:
    """The right item total."""
    total = Decimal(quantity) * Decimal(unit) * Decimal(factor)
    return str(total.quantize(_CENT, ROUND_HALF_UP))


def header(transaction: str, version: str, *, operator: str = OPERATOR, provider: Tree | None = None) -> Tree:
    """The header of a message from the provider."""
    return {
        "identificacaoTransacao": {
            "tipoTransacao": transaction,
            "sequencialTransacao": "17",
            "dataRegistroTransacao": TODAY,
            "horaRegistroTransacao": "10:30:00",
        },
        "origem": {"identificacaoPrestador": provider or {"codigoPrestadorNaOperadora": "12345"}},
        "destino": {"registroANS": operator},
        "Padrao": version,
    }


def professional() -> Tree:
    """An invented professional."""
    return {
        "nomeProfissional": "Conceição Antunes",
        "conselhoProfissional": "06",
        "numeroConselhoProfissional": "123456",
        "UF": "35",
        "CBOS": "225125",
    }


def consulta(number: int, dice: random.Random) -> Tree:
    """A guia de consulta."""
    tree: Tree = {
        "cabecalhoConsulta": {"registroANS": OPERATOR, "numeroGuiaPrestador": f"C{number}"},
        "dadosBeneficiario": {"numeroCarteira": f"{number:017d}", "atendimentoRN": "N"},
        "contratadoExecutante": {"cnpjContratado": CNPJ, "CNES": "2077485"},
        "profissionalExecutante": professional(),
        "indicacaoAcidente": "9",
        "dadosAtendimento": {
            "regimeAtendimento": "01",
            "dataAtendimento": f"2026-11-{dice.randint(1, 20):02d}",
            "tipoConsulta": dice.choice("1234"),
            "procedimento": {
                "codigoTabela": "22",
                "codigoProcedimento": "10101012",
                "valorProcedimento": f"{dice.randint(1, 99999) / 100:.2f}",
            },
        },
    }
    if dice.random() < 0.5:
        tree["ausenciaCodValidacao"] = "02"
    elif dice.random() < 0.5:
        tree["codValidacao"] = "AB12"
    return tree


def item(sequence: int, dice: random.Random) -> Tree:
    """One executed procedure."""
    quantity, factor = str(dice.randint(1, 9)), dice.choice(("1.00", "0.50", "0.70", "1.30"))
    unit = f"{dice.randint(1, 99999) / 100:.2f}"
    return {
        "sequencialItem": str(sequence),
        "dataExecucao": f"2026-11-{dice.randint(1, 20):02d}",
        "horaInicial": f"{8 + sequence % 10:02d}:{sequence % 60:02d}:00",
        "horaFinal": f"{9 + sequence % 10:02d}:{sequence % 60:02d}:00",
        "procedimento": {
            "codigoTabela": "22",
            "codigoProcedimento": EXAMS[sequence % len(EXAMS)],
            "descricaoProcedimento": "Exame laboratorial com ação prolongada",
        },
        "quantidadeExecutada": quantity,
        "reducaoAcrescimo": factor,
        "valorUnitario": unit,
        "valorTotal": product(quantity, unit, factor),
    }


@cache
def expense_codes() -> dict[str, str]:
    """A code in force of each TUSS table used for expenses."""
    tables = installed()
    return {
        table: next(term.code for term in tables.search(word, table=table, most=1))
        for table, word in (("18", "diaria"), ("19", "cateter"), ("20", "dipirona"))
    }


def expense(sequence: int, kind: str, dice: random.Random) -> Tree:
    """One row of outras despesas."""
    quantity, factor = f"{dice.randint(1, 40)}.{dice.choice(('00', '50', '2500'))}", "1.00"
    unit = f"{dice.randint(1, 9999) / 100:.2f}"
    table = EXPENSES[kind]
    service: Tree = {
        "dataExecucao": f"2026-11-{dice.randint(1, 20):02d}",
        "horaInicial": f"{8 + sequence % 10:02d}:{sequence % 60:02d}:00",
        "horaFinal": f"{9 + sequence % 10:02d}:{sequence % 60:02d}:00",
        "codigoTabela": table,
        "codigoProcedimento": expense_codes()[table],
        "quantidadeExecutada": quantity,
        "unidadeMedida": "036",
        "reducaoAcrescimo": factor,
        "valorUnitario": unit,
        "valorTotal": product(quantity, unit, factor),
        "descricaoProcedimento": "Item de consumo",
    }
    if kind == "08":
        service |= {
            "registroANVISA": "80145901234",
            "codigoRefFabricante": "REF-77",
            "autorizacaoFuncionamento": "8012345",
        }
    return {"sequencialItem": str(sequence), "codigoDespesa": kind, "servicosExecutados": service}


def sadt(number: int, dice: random.Random, *, items: int = 3, expenses: int = 2) -> Tree:
    """A guia SP/SADT whose sums are right."""
    items = max(items, 1)
    executed = [item(n + 1, dice) for n in range(items)]
    kinds = [dice.choice(sorted(EXPENSES)) for _ in range(expenses)]
    spent = [expense(items + n + 1, kind, dice) for n, kind in enumerate(kinds)]
    sums = {"valorProcedimentos": sum(Decimal(row["valorTotal"]) for row in executed)}
    for row in spent:
        part = PARTS[row["codigoDespesa"]]
        sums[part] = sums.get(part, Decimal(0)) + Decimal(row["servicosExecutados"]["valorTotal"])
    sums["valorTotalGeral"] = sum(sums.values(), Decimal(0))
    tree: Tree = {
        "cabecalhoGuia": {"registroANS": OPERATOR, "numeroGuiaPrestador": f"S{number}"},
        "dadosAutorizacao": {
            "dataAutorizacao": "2026-10-31",
            "senha": f"A{number}",
            "dataValidadeSenha": "2026-12-31",
            "codValidacao": "A1",
        },
        "dadosBeneficiario": {"numeroCarteira": f"{number:017d}", "atendimentoRN": "N"},
        "dadosSolicitante": {
            "contratadoSolicitante": {"cpfContratado": CPF},
            "nomeContratadoSolicitante": "Clínica Ação",
            "profissionalSolicitante": professional(),
        },
        "dadosSolicitacao": {"dataSolicitacao": "2026-10-30", "caraterAtendimento": "1"},
        "dadosExecutante": {"contratadoExecutante": {"cnpjContratado": CNPJ}, "CNES": "2077485"},
        "dadosAtendimento": {"tipoAtendimento": "23", "indicacaoAcidente": "9", "regimeAtendimento": "01"},
        "procedimentosExecutados": {"procedimentoExecutado": executed},
        "valorTotal": {name: str(value) for name, value in sums.items()},
    }
    if spent:
        tree["outrasDespesas"] = {"despesa": spent}
    return tree


def stay(number: int, dice: random.Random) -> Tree:
    """A guia de resumo de internação whose sums and dates are right."""
    tree = sadt(number, dice)
    executed = tree["procedimentosExecutados"]["procedimentoExecutado"]
    return {
        "cabecalhoGuia": {"registroANS": OPERATOR, "numeroGuiaPrestador": f"R{number}"},
        "numeroGuiaSolicitacaoInternacao": f"I{number}",
        "dadosAutorizacao": {"dataAutorizacao": "2026-10-31", "senha": f"A{number}", "codValidacao": "A1"},
        "dadosBeneficiario": tree["dadosBeneficiario"],
        "dadosExecutante": tree["dadosExecutante"],
        "dadosInternacao": {
            "caraterAtendimento": "1",
            "tipoFaturamento": "4",
            "dataInicioFaturamento": "2026-11-01",
            "horaInicioFaturamento": "08:00:00",
            "dataFinalFaturamento": "2026-11-20",
            "horaFinalFaturamento": "07:00:00",
            "tipoInternacao": "1",
            "regimeInternacao": "1",
        },
        "dadosSaidaInternacao": {"diagnostico": "J189", "indicadorAcidente": "9", "motivoEncerramento": "12"},
        "procedimentosExecutados": {"procedimentoExecutado": executed},
        "valorTotal": tree["valorTotal"],
        "outrasDespesas": tree["outrasDespesas"],
    }


def fees(number: int, dice: random.Random) -> Tree:
    """A guia de honorários whose sum and dates are right."""
    member = {
        "grauParticipacao": "12",
        "codProfissional": {"cpfContratado": CPF},
        "nomeProfissional": "Conceição Antunes",
        "conselhoProfissional": "06",
        "numeroConselhoProfissional": "123456",
        "UF": "35",
        "CBO": "225125",
    }
    rows = [item(n, dice) | {"profissionais": [member]} for n in (1, 2)]
    return {
        "cabecalhoGuia": {"registroANS": OPERATOR, "numeroGuiaPrestador": f"H{number}"},
        "guiaSolicInternacao": f"I{number}",
        "beneficiario": {"numeroCarteira": f"{number:017d}", "atendimentoRN": "N"},
        "localContratado": {
            "codigoContratado": {"cnpjLocalExecutante": CNPJ},
            "nomeContratado": "Hospital Ação",
            "cnes": "2077485",
        },
        "dadosContratadoExecutante": {"codigonaOperadora": "77", "cnesContratadoExecutante": "2077485"},
        "dadosInternacao": {
            "dataInicioFaturamento": "2026-11-01",
            "dataFimFaturamento": "2026-11-20",
            "caraterAtendimento": "1",
        },
        "procedimentosRealizados": {"procedimentoRealizado": rows},
        "valorTotalHonorarios": str(sum(Decimal(row["valorTotal"]) for row in rows)),
        "dataEmissaoGuia": TODAY,
    }


def batch(kind: str, guides: list[Tree], version: str, *, service: bool = False, head: Tree | None = None) -> bytes:
    """A batch message of guides of one kind, sealed."""
    top = head or header("ENVIO_LOTE_GUIAS", version)
    lote = {"numeroLote": "4711", "guiasTISS": {kind: guides}}
    if service:
        return build("loteGuiasWS", {"cabecalho": top, "loteGuias": lote, "hash": ""}, version, service=True)
    tree = {"cabecalho": top, "prestadorParaOperadora": {"loteGuias": lote}, "epilogo": {"hash": ""}}
    return build("mensagemTISS", tree, version)


def sadt_batch(
    count: int, version: str = "4.03.00", *, items: int = 3, expenses: int = 2, service: bool = False, seed: int = 1
) -> bytes:
    """A clean batch of SP/SADT guides."""
    dice = random.Random(seed)
    guides = [sadt(n + 1, dice, items=items, expenses=expenses) for n in range(count)]
    return batch("guiaSP-SADT", guides, version, service=service)


def consulta_batch(count: int, version: str = "4.03.00", *, service: bool = False, seed: int = 1) -> bytes:
    """A clean batch of consulta guides."""
    dice = random.Random(seed)
    return batch("guiaConsulta", [consulta(n + 1, dice) for n in range(count)], version, service=service)
