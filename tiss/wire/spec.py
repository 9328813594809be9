"""Messages from a JSON description `{"version", "form", "root"?, "message": tree}`: only the hash is filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from canonical.problem import Problem
from tiss.wire import transactions, versions
from tiss.wire.build import UnknownElement, build

FORMS = ("file", "service")


def message_of(spec: Any, told: list[Problem]) -> bytes | Problem:
    """The message a description stands for, or what is wrong with it; `told` gathers the builder's warnings."""
    reason = _wrong(spec)
    if reason:
        return Problem("build.spec", args=(("reason", reason),))
    tree = dict(spec["message"])
    service = spec.get("form", "file") == "service"
    root = spec.get("root") or (_service_root(tree) if service else "mensagemTISS")
    if not root:
        return Problem("build.spec", args=(("reason", "root"),))
    if service:
        tree.setdefault("hash", "")
    else:
        tree.setdefault("epilogo", {"hash": ""})
    try:
        return build(str(root), tree, spec["version"], service=service, told=told)
    except UnknownElement as error:
        return Problem("build.element", str(error))


def _wrong(spec: Any) -> str:
    if not isinstance(spec, Mapping):
        return "{}"
    if spec.get("version") not in versions.installed():
        return "version: " + ", ".join(versions.installed())
    if spec.get("form", "file") not in FORMS:
        return "form: " + ", ".join(FORMS)
    return "" if isinstance(spec.get("message"), Mapping) else "message"


def _service_root(tree: Mapping[str, Any]) -> str:
    """The web-service root of the transaction the header names."""
    try:
        name = tree["cabecalho"]["identificacaoTransacao"]["tipoTransacao"]
        return transactions.of(name).root
    except (KeyError, TypeError):
        return ""
