"""No test leaves a mark on the next: what all tests of a process share is changed through monkeypatch only."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
SETS_UP_THE_RUN = {"conftest.py", "clusters.py"}
ENVIRONMENT = {"update", "pop", "setdefault", "clear"}
FORCED = {"object.__setattr__", "os.putenv", "os.unsetenv", "os.chdir", "random.seed", "locale.setlocale", "time.tzset"}


def _dotted(node: ast.expr) -> str:
    return ast.unparse(node) if isinstance(node, ast.Name | ast.Attribute) else ""


def _imported(tree: ast.Module) -> set[str]:
    """Names that stand for modules or for what lives in them."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    return found


def _written(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.Assign(targets=targets) | ast.Delete(targets=targets):
            return targets
        case ast.AugAssign(target=target) | ast.AnnAssign(target=target):
            return [target]
        case _:
            return []


def marks(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of each statement that changes what other tests use."""
    imported = _imported(tree)
    for node in ast.walk(tree):
        for target in _written(node):
            place = target.value if isinstance(target, ast.Attribute | ast.Subscript) else None
            if place is not None and _dotted(place).split(".")[0] in imported:
                yield target.lineno, ast.unparse(target)
        if isinstance(node, ast.Call):
            name = _dotted(node.func)
            if name in FORCED or (name.rpartition(".")[0] == "os.environ" and name.rpartition(".")[2] in ENVIRONMENT):
                yield node.lineno, name
            if name == "setattr" and node.args and _dotted(node.args[0]).split(".")[0] in imported:
                yield node.lineno, ast.unparse(node)


def test_no_two_test_files_share_a_name() -> None:
    """They are modules of one space: run together, the second of two would not be read."""
    names = Counter(path.name for path in TESTS.rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


def test_nothing_shared_is_changed_by_hand() -> None:
    files = [path for path in TESTS.rglob("*.py") if path.name not in SETS_UP_THE_RUN]
    assert len(files) > 200
    found = [
        f"{path.relative_to(TESTS)}:{line}: {text}"
        for path in files
        for line, text in marks(ast.parse(path.read_text("utf-8")))
    ]
    assert not found, f"monkeypatch undoes what a test changes, even when it fails: {found}"


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.environ['A'] = '1'", "import os\ndel os.environ['A']", "import os\nos.environ.update(A='1')",
        "import sys\nsys.modules['a'] = None", "from hub import settings\nsettings.MOST_WORKERS = 1",
        "object.__setattr__(world.settings, 'a', 1)", "import hub.find.ahead.narrow\nhub.find.ahead.narrow.WIDE_FROM = 1",
        "from hub import limits\nsetattr(limits, 'A', 1)", "import os\nos.chdir('/')", "from a import b\nb.rows['x'] += 1",
    ],
)  # fmt: skip
def test_a_mark_is_seen(text: str) -> None:
    assert len(list(marks(ast.parse(text)))) == 1


def test_every_file_that_has_its_turn_exists() -> None:
    from turns import turns

    assert [file for file in turns() if not (TESTS / file).is_file()] == []
    users = [
        p for p in TESTS.rglob("test_*.py") if re.search(r"^(import|from) hubs\b", p.read_text("utf-8"), re.MULTILINE)
    ]
    listed = {file for file, (_, whole) in turns().items() if whole}
    assert {p.relative_to(TESTS).as_posix() for p in users} <= listed, "two whole hubs would run at once"
