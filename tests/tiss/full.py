"""Guides of every kind with every optional element filled in, and the least of each, that break no rule in any version.

What a version does not have is left out; what only an older one asks for (names, telephone) is put in.
"""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import clean
import made

from tiss.wire import shapes

Tree = dict[str, Any]
KINDS = ("guiaConsulta", "guiaSP-SADT", "guiaResumoInternacao", "guiaHonorarios", "guiaOdonto")
CNPJ = clean.CNPJ
SURGERY = "31005497"
# what only some versions have
_ONLY = {
    "nomeBeneficiario": "Conceição Antunes",
    "numeroCNS": "700000000000005",
    "templateBiometrico": "QQ==",
    "nomeContratado": "Hospital Ação",
    "nomeContratadoExecutante": "Clínica Ação",
    "nomeContratadoSolicitante": "Clínica Ação",
    "nomeProfExec": "Conceição Antunes",
    "numeroTelefone": "11999990000",
    "nomeTitular": "Conceição Antunes",
}


def person(**more: str) -> Tree:
    """A doctor as most guides state one."""
    return {
        "nomeProfissional": "Conceição Antunes",
        "conselhoProfissional": "06",
        "numeroConselhoProfissional": "123456",
        "UF": "35",
        "CBOS": "225125",
    } | more


def member(degree: str, number: str) -> Tree:
    """A member of a team, named as SP/SADT and stays name one; `_team` renames for fees."""
    return {
        "grauPart": degree,
        "codProfissional": {"cpfContratado": clean.CPF} if degree == "00" else {"codigoPrestadorNaOperadora": number},
        "nomeProf": "Conceição Antunes",
        "conselho": "06",
        "numeroConselhoProfissional": number,
        "UF": "35",
        "CBOS": "225125",
    }


def line(sequence: int, code: str = SURGERY, on: str = "2026-11-10") -> Tree:
    """An executed procedure with hours, route and technique."""
    return {
        "sequencialItem": str(sequence),
        "dataExecucao": on,
        "horaInicial": f"{8 + sequence:02d}:00:00",
        "horaFinal": f"{9 + sequence:02d}:00:00",
        "procedimento": {
            "codigoTabela": "22",
            "codigoProcedimento": code,
            "descricaoProcedimento": "Ação cirúrgica",
        },
        "quantidadeExecutada": "1",
        "viaAcesso": "1",
        "tecnicaUtilizada": "1",
        "reducaoAcrescimo": "1.30",
        "valorUnitario": "123.45",
        "valorTotal": clean.product("1", "123.45", "1.30"),
        "centroConsumo": "6",
    }


def costs(first: int) -> list[Tree]:
    """A row of every kind of expense."""
    rows = []
    for number, kind in enumerate(sorted(clean.EXPENSES), start=first):
        table = clean.EXPENSES[kind]
        rows.append(
            {
                "sequencialItem": str(number),
                "codigoDespesa": kind,
                "servicosExecutados": {
                    "dataExecucao": "2026-11-10",
                    "horaInicial": f"{number + 5:02d}:00:00",
                    "horaFinal": f"{number + 6:02d}:00:00",
                    "codigoTabela": table,
                    "codigoProcedimento": clean.expense_codes()[table],
                    "quantidadeExecutada": "1.5000",
                    "unidadeMedida": "036",
                    "reducaoAcrescimo": "1.00",
                    "valorUnitario": "10.10",
                    "valorTotal": "15.15",
                    "centroConsumo": "5",
                    "descricaoProcedimento": "Item de consumo",
                    "registroANVISA": "80145901234",
                    "codigoRefFabricante": "REF-77",
                    "autorizacaoFuncionamento": "8012345",
                },
                "itemVinculado": "1",
            }
        )
    return rows


def sums(lines: list[Tree], spent: list[Tree]) -> Tree:
    """The totals of a guide with lines and expenses, all parts stated."""
    parts = {"valorProcedimentos": sum(Decimal(row["valorTotal"]) for row in lines)}
    for row in spent:
        parts[clean.PARTS[row["codigoDespesa"]]] = Decimal(row["servicosExecutados"]["valorTotal"])
    return {name: str(value) for name, value in (parts | {"valorTotalGeral": sum(parts.values())}).items()}


def authorised() -> Tree:
    """An authorisation with all it can say."""
    return {
        "numeroGuiaOperadora": "OP1",
        "dataAutorizacao": "2026-10-31",
        "senha": "A1",
        "dataValidadeSenha": "2026-12-31",
        "codValidacao": "AB12",
    }


CARD = {
    "numeroCarteira": "00012345678901234",
    "atendimentoRN": "N",
    "tipoIdent": "01",
    "identificadorBeneficiario": "QQ==",
}


def consulta() -> Tree:
    """A guia de consulta with all it can hold."""
    return {
        "cabecalhoConsulta": {"registroANS": clean.OPERATOR, "numeroGuiaPrestador": "C1"},
        "numeroGuiaOperadora": "OP1",
        "codValidacao": "AB12",
        "dadosBeneficiario": dict(CARD),
        "contratadoExecutante": {"cnpjContratado": CNPJ, "CNES": "2077485"},
        "profissionalExecutante": person(),
        "indicacaoAcidente": "9",
        "dadosAtendimento": {
            "coberturaEspecial": "01",
            "regimeAtendimento": "01",
            "saudeOcupacional": "01",
            "dataAtendimento": "2026-11-10",
            "tipoConsulta": "1",
            "procedimento": {"codigoTabela": "22", "codigoProcedimento": "10101012", "valorProcedimento": "120.00"},
        },
        "observacao": "Observação",
    }


def sadt() -> Tree:
    """A guia SP/SADT with all it can hold."""
    lines = [line(1), line(2, "40304361")]
    lines[0]["equipeSadt"] = [member("00", "1"), member("01", "2")]
    spent = costs(3)
    return {
        "cabecalhoGuia": {"registroANS": clean.OPERATOR, "numeroGuiaPrestador": "S1", "guiaPrincipal": "P1"},
        "dadosAutorizacao": authorised(),
        "dadosBeneficiario": dict(CARD),
        "dadosSolicitante": {
            "contratadoSolicitante": {"cpfContratado": clean.CPF},
            "nomeContratadoSolicitante": "Clínica Ação",
            "profissionalSolicitante": person(),
        },
        "dadosSolicitacao": {
            "dataSolicitacao": "2026-10-30",
            "caraterAtendimento": "1",
            "indicacaoClinica": "Dor",
            "indCobEspecial": "01",
        },
        "dadosExecutante": {"contratadoExecutante": {"cnpjContratado": CNPJ}, "CNES": "2077485"},
        "dadosAtendimento": {
            "tipoAtendimento": "04",
            "indicacaoAcidente": "9",
            "tipoConsulta": "1",
            "motivoEncerramento": "41",
            "regimeAtendimento": "01",
            "saudeOcupacional": "01",
        },
        "procedimentosExecutados": {"procedimentoExecutado": lines},
        "outrasDespesas": {"despesa": spent},
        "observacao": "Observação",
        "valorTotal": sums(lines, spent),
    }


def stay() -> Tree:
    """A guia de resumo de internação with all it can hold."""
    lines = [line(1), line(2, "31005470")]
    for row in lines:
        row["identEquipe"] = [{"identificacaoEquipe": member("00", "1")}, {"identificacaoEquipe": member("06", "2")}]
    spent = costs(3)
    return {
        "cabecalhoGuia": {"registroANS": clean.OPERATOR, "numeroGuiaPrestador": "R1"},
        "numeroGuiaSolicitacaoInternacao": "I1",
        "dadosAutorizacao": authorised(),
        "dadosBeneficiario": dict(CARD),
        "dadosExecutante": {"contratadoExecutante": {"cnpjContratado": CNPJ}, "CNES": "2077485"},
        "dadosInternacao": {
            "caraterAtendimento": "1",
            "tipoFaturamento": "4",
            "dataInicioFaturamento": "2026-11-01",
            "horaInicioFaturamento": "08:00:00",
            "dataFinalFaturamento": "2026-11-20",
            "horaFinalFaturamento": "07:00:00",
            "tipoInternacao": "3",
            "regimeInternacao": "1",
            "declaracoes": [
                {
                    "declaracaoNascido": "12345678901",
                    "diagnosticoObito": "P95",
                    "declaracaoObito": "D1",
                    "indicadorDORN": "S",
                }
            ],
        },
        "dadosSaidaInternacao": {
            "diagnostico": ["O800", "O410", "O420", "O430"],
            "indicadorAcidente": "9",
            "motivoEncerramento": "61",
        },
        "procedimentosExecutados": {"procedimentoExecutado": lines},
        "valorTotal": sums(lines, spent),
        "outrasDespesas": {"despesa": spent},
        "observacao": "Observação",
    }


def fees() -> Tree:
    """A guia de honorários with all it can hold."""
    lines = [line(1), line(2, "31005470")]
    names = {
        "grauPart": "grauParticipacao",
        "nomeProf": "nomeProfissional",
        "conselho": "conselhoProfissional",
        "CBOS": "CBO",
    }
    for row in lines:
        row["profissionais"] = [
            {names.get(name, name): value for name, value in member(degree, number).items()}
            for degree, number in (("00", "1"), ("01", "2"))
        ]
    return {
        "cabecalhoGuia": {"registroANS": clean.OPERATOR, "numeroGuiaPrestador": "H1"},
        "guiaSolicInternacao": "I1",
        "senha": "A1",
        "numeroGuiaOperadora": "OP1",
        "beneficiario": dict(CARD),
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
        "procedimentosRealizados": {"procedimentoRealizado": lines},
        "observacao": "Observação",
        "valorTotalHonorarios": str(sum(Decimal(row["valorTotal"]) for row in lines)),
        "dataEmissaoGuia": "2026-11-20",
    }


def dental() -> Tree:
    """A guia de tratamento odontológico with all it can hold."""
    lines = [
        {
            "sequencialItem": str(number),
            "procSolic": {"codigoTabela": "22", "codigoProcedimento": code, "descricaoProcedimento": "Restauração"},
            "denteRegiao": {"codDente": tooth},
            "denteFace": face,
            "qtdProc": "1",
            "qtdUS": "10.00",
            "valorProc": "50.00",
            "valorFranquia": "5.00",
            "autorizado": "true",
            "dataRealizacao": "2026-11-10",
        }
        for number, (code, tooth, face) in enumerate((("85100200", "16", "OM"), ("85100200", "11", "VD")), start=1)
    ]
    initial = {
        "numeroGuiaAnexo": "X1",
        "numeroGuiaReferenciada": "T1",
        "numeroGuiaOperadora": "OP1",
        "ct_situacaoInicial": {
            "situacaoClinica": {"dentes": [{"elementoDentario": "16", "condicaoClinica": "C"}]},
            "doencaPeriodontal": "false",
            "alteracaoTecidoMole": "false",
            "observacao": "Observação",
        },
    }
    return {
        "registroANS": clean.OPERATOR,
        "numeroGuiaPrestador": "T1",
        "numeroGuiaPrincipal": "P1",
        "dataAutorizacao": "2026-10-31",
        "senhaAutorizacao": "A1",
        "validadeSenha": "2026-12-31",
        "numeroGuiaOperadora": "OP1",
        "codValidacao": "AB12",
        "dadosBeneficiario": dict(CARD),
        "planoBeneficiario": "Plano",
        "nomeEmpresa": "Empresa",
        "dadosProfissionaisResponsaveis": {
            "nomeProfSolic": "Ana",
            "croSolic": "1",
            "ufSolic": "35",
            "cbosSolic": "223208",
            "codigoProfExec": "77",
            "croExec": "2",
            "ufExec": "35",
            "cnesExec": "2077485",
            "nomeProfExec2": "Ana",
            "croExec2": "3",
            "ufExec2": "35",
            "cbosExec2": "223208",
        },
        "procedimentosExecutados": lines,
        "dataTerminoTrat": "2026-11-10",
        "tipoAtendimento": "1",
        "tipoFaturamento": "4",
        "qtdTotalUS": "20.00",
        "valorTotalProc": "100.00",
        "valorTotalFranquia": "10.00",
        "observacao": "Observação",
        "odontoInicial": initial,
    }


FULL = dict(zip(KINDS, (consulta, sadt, stay, fees, dental), strict=True))
_BODY = ("mensagemTISS", "prestadorParaOperadora", "loteGuias", "guiasTISS")


def fit(tree: Tree, kind: str, version: str) -> Tree:
    """A guide as a version has it: strangers out, what only it asks for in."""
    table = shapes.of(version)
    return _fit(tree, _shape(kind, version), table)


def _shape(kind: str, version: str) -> shapes.Shape:
    shape = shapes.at(shapes.of(version), (*_BODY, kind))
    assert shape is not None
    return shape


def _fit(tree: Tree, shape: shapes.Shape, table: shapes.Shapes) -> Tree:
    fitted: Tree = {}
    for part in shape.parts:
        below, told = table.types[part.type], tree.get(part.name)
        if told is None:
            if part.name in _ONLY:
                fitted[part.name] = _ONLY[part.name]
            continue
        rows = told if isinstance(told, list) else [told]
        fixed = [row if below.simple else _fit(row, below, table) for row in rows]
        fitted[part.name] = fixed if isinstance(told, list) else fixed[0]
    return fitted


def least(kind: str, version: str) -> Tree:
    """A guide with what its version requires and nothing more; amounts that are sums of nothing are 0."""
    found = made.tree(_shape(kind, version), shapes.of(version), {})
    if kind == "guiaOdonto":
        found["valorTotalProc"] = found["procedimentosExecutados"]["valorProc"]
    if kind == "guiaSP-SADT":
        found["valorTotal"] = {"valorTotalGeral": "0.00"}
    if kind == "guiaResumoInternacao":
        found["valorTotal"] = {"valorTotalGeral": "0.00"}
        found["dadosInternacao"]["tipoFaturamento"] = "4"  # a discharge goes with a whole bill
    return found


def batch(kind: str, guides: list[Tree], version: str, *, service: bool = False) -> bytes:
    """A sealed batch of guides as given."""
    return clean.batch(kind, copy.deepcopy(guides), version, service=service)
