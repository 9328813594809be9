"""The full check of a TISS file (reading, schema, hash, every rule) beside libxml2 validating the parsed tree.

Rounds of ours and of the floor alternate, and the best round of each counts. Two sizes; the check of a message that was
read before, as the hub has it after building one; and, where a package index can be reached, the public library
`tiss` 0.4.0 on the same files, in an environment of its own.
"""

from __future__ import annotations

import datetime
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from bench.measure import Measure
from canonical.identifiers import cnpj_digits, cpf_digits
from tiss.checking import report
from tiss.tables.tables import Tables, installed
from tiss.wire import message, versions
from tiss.wire.build import build

ROUNDS = 30
TODAY = datetime.date(2026, 11, 20)
_OPERATOR = "000515"
_CNPJ = "112223330001" + cnpj_digits("112223330001")
_CPF = "123456789" + cpf_digits("123456789")
_EXAMS = ("40301630", "40304361", "40302040", "40901300")


def measure_offline() -> list[Measure]:
    """Files checked per second."""
    version = versions.installed()[0]
    tables = installed()
    return [figure for guides in (1, 100) for figure in _figures(guides, version, tables)]


def _figures(guides: int, version: str, tables: Tables) -> list[Measure]:
    raw = batch(guides, version)
    parsed = message.read(raw)
    if not isinstance(parsed, message.Tiss) or report.validate(raw, tables=tables, today=TODAY).problems:
        raise RuntimeError("the batch to measure is not clean")
    size = f"{guides} guide{'s' if guides > 1 else ''} ({len(raw) // 1024} KB)"
    schema = versions.schema(version)

    def whole() -> object:
        return report.validate(raw, tables=tables, today=TODAY)

    def without_reading() -> object:
        return report.examine(parsed, raw, tables=tables, today=TODAY)

    def floor() -> object:
        return schema.validate(parsed.root)

    ours, bare = _best(whole, floor)
    theirs = _peer(raw)
    return [
        _figure(f"full check of {size}", ours, bare),
        _figure(f"full check of {size}, read before", *_best(without_reading, floor)),
        *([_figure(f"the same by PyPI tiss 0.4.0, {size}", theirs, bare)] if theirs else []),
    ]


_PEER_PROGRAM = """
import pathlib, sys, time
import tiss
raw = pathlib.Path(sys.argv[1]).read_bytes()
best = float("inf")
for _ in range(5):
    begun = time.thread_time()
    tiss.validate(raw)
    best = min(best, time.thread_time() - begun)
print(best)
"""


def _peer(raw: bytes) -> float:
    """Seconds the public library needs for the same file; 0.0 where it cannot be brought."""
    uv = os.environ.get("PONTE_UV") or shutil.which("uv") or str(Path(sys.executable).with_name("uv"))
    with tempfile.TemporaryDirectory(prefix="ponte-peer-") as name:
        path = Path(name) / "lote.xml"
        path.write_bytes(raw)
        command = [
            uv,
            "run",
            "--isolated",
            "--no-project",
            "--with",
            "tiss==0.4.0",
            "python",
            "-I",
            "-c",
            _PEER_PROGRAM,
        ]
        try:
            done = subprocess.run(
                [*command, str(path)], cwd=name, capture_output=True, text=True, check=True, timeout=120
            )
            return float(done.stdout.split()[-1])
        except (OSError, subprocess.SubprocessError, ValueError, IndexError):
            sys.stderr.write("tiss-validate: PyPI tiss 0.4.0 cannot be brought here and is left out\n")
            return 0.0


def _figure(name: str, ours: float, floor: float) -> Measure:
    return Measure(
        name=name, value=1 / ours, unit="files/s", floor=1 / floor, floor_name="libxml2 validates the parsed tree"
    )


def _best(ours: Callable[[], object], floor: Callable[[], object]) -> tuple[float, float]:
    """The best of ROUNDS for both, in seconds of processor time, measured in turn: both only compute."""
    best = [float("inf"), float("inf")]
    for _ in range(ROUNDS):
        for index, work in enumerate((ours, floor)):
            begun = time.thread_time()
            work()
            best[index] = min(best[index], time.thread_time() - begun)
    return best[0], best[1]


def batch(guides: int, version: str) -> bytes:
    """A clean batch of SP/SADT guides: three exams and two expenses each."""
    header = {
        "identificacaoTransacao": {
            "tipoTransacao": "ENVIO_LOTE_GUIAS",
            "sequencialTransacao": "1",
            "dataRegistroTransacao": "2026-11-20",
            "horaRegistroTransacao": "10:30:00",
        },
        "origem": {"identificacaoPrestador": {"CNPJ": _CNPJ}},
        "destino": {"registroANS": _OPERATOR},
        "Padrao": version,
    }
    lote = {"numeroLote": "1", "guiasTISS": {"guiaSP-SADT": [_guide(number) for number in range(1, guides + 1)]}}
    tree = {"cabecalho": header, "prestadorParaOperadora": {"loteGuias": lote}, "epilogo": {"hash": ""}}
    return build("mensagemTISS", tree, version)


def _guide(number: int) -> dict[str, Any]:
    exams = [_exam(line, number) for line in range(1, 4)]
    expenses = [_expense(line, number) for line in (4, 5)]
    exam_sum = sum(Decimal(exam["valorTotal"]) for exam in exams)
    expense_sum = sum(Decimal(expense["servicosExecutados"]["valorTotal"]) for expense in expenses)
    professional = {
        "nomeProfissional": "Conceição Antunes",
        "conselhoProfissional": "06",
        "numeroConselhoProfissional": "123456",
        "UF": "35",
        "CBOS": "225125",
    }
    return {
        "cabecalhoGuia": {"registroANS": _OPERATOR, "numeroGuiaPrestador": f"S{number}"},
        "dadosAutorizacao": {"dataAutorizacao": "2026-10-31", "senha": f"A{number}", "codValidacao": "A1"},
        "dadosBeneficiario": {"numeroCarteira": f"{number:017d}", "atendimentoRN": "N"},
        "dadosSolicitante": {
            "contratadoSolicitante": {"cpfContratado": _CPF},
            "nomeContratadoSolicitante": "Clínica Ação",
            "profissionalSolicitante": professional,
        },
        "dadosSolicitacao": {"dataSolicitacao": "2026-10-30", "caraterAtendimento": "1"},
        "dadosExecutante": {"contratadoExecutante": {"cnpjContratado": _CNPJ}, "CNES": "2077485"},
        "dadosAtendimento": {"tipoAtendimento": "23", "indicacaoAcidente": "9", "regimeAtendimento": "01"},
        "procedimentosExecutados": {"procedimentoExecutado": exams},
        "outrasDespesas": {"despesa": expenses},
        "valorTotal": {
            "valorProcedimentos": str(exam_sum),
            "valorMedicamentos": str(expense_sum),
            "valorTotalGeral": str(exam_sum + expense_sum),
        },
    }


def _exam(line: int, number: int) -> dict[str, Any]:
    unit = Decimal(100 + number * 7 + line) / 100
    return {
        "sequencialItem": str(line),
        "dataExecucao": f"2026-11-{1 + number % 19:02d}",
        "horaInicial": f"{8 + line:02d}:00:00",
        "horaFinal": f"{9 + line:02d}:00:00",
        "procedimento": {
            "codigoTabela": "22",
            "codigoProcedimento": _EXAMS[(line + number) % len(_EXAMS)],
            "descricaoProcedimento": "Exame laboratorial",
        },
        "quantidadeExecutada": "2",
        "reducaoAcrescimo": "1.00",
        "valorUnitario": str(unit),
        "valorTotal": str(unit * 2),
    }


def _expense(line: int, number: int) -> dict[str, Any]:
    unit = Decimal(50 + number * 3 + line) / 100
    return {
        "sequencialItem": str(line),
        "codigoDespesa": "02",
        "servicosExecutados": {
            "dataExecucao": f"2026-11-{1 + number % 19:02d}",
            "horaInicial": f"{8 + line:02d}:30:00",
            "horaFinal": f"{9 + line:02d}:30:00",
            "codigoTabela": "20",
            "codigoProcedimento": "90055888",
            "quantidadeExecutada": "4.0000",
            "unidadeMedida": "036",
            "reducaoAcrescimo": "1.00",
            "valorUnitario": str(unit),
            "valorTotal": str(unit * 4),
            "descricaoProcedimento": "Dipirona",
        },
    }
