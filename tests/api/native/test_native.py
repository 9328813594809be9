"""Compiled modules: made of the sources that stand there, used only as long as these stand, and the same in what they do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from api.cli.main import main
from api.native import build, finder
from canonical.errors import Misconfigured
from hub.operate import support
from hub.settings import Settings

ONE = '''"""Reads a table that stands beside it."""

from pathlib import Path

from room.two import twice

TABLE = Path(__file__).with_name("table.txt")


def told() -> str:
    """The table's content, twice."""
    return twice(TABLE.read_text(encoding="utf-8"))
'''
TWO = '''"""What another module uses."""


def twice(text: str) -> str:
    """The text two times."""
    return text * 2
'''
ASK = """
import pathlib, sys
sys.path.insert(0, {root!r}); sys.path.insert(0, {here!r})
from api.native import finder
finder.HOOK = finder.__name__
finder.start(pathlib.Path({folder!r}))
import room.one
print(finder.state(pathlib.Path({folder!r})), finder.started(), type(room.one.told).__name__, room.one.told())
"""


def can_compile() -> str:
    """Why this machine cannot compile; empty when it can."""
    try:
        build.compiler_of(os.environ.get("CC", ""))
    except Misconfigured as error:
        return error.text
    return ""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "tree"
    (root / "room").mkdir(parents=True)
    for name, text in {"__init__.py": "", "one.py": ONE, "two.py": TWO, "table.txt": "ab"}.items():
        (root / "room" / name).write_text(text, encoding="utf-8")
    return root


def asked(root: Path, folder: Path, more: Mapping[str, str] | None = None) -> list[str]:
    """State, whether the finder was started, the kind of the function and its answer, as a new process sees them."""
    code = ASK.format(root=str(root), here=str(build.ROOT), folder=str(folder))
    environment = {name: value for name, value in os.environ.items() if name != finder.SWITCH} | dict(more or {})
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_compiled_modules_are_used_as_long_as_the_sources_stand(tree: Path, tmp_path: Path) -> None:
    if reason := can_compile():
        pytest.skip(reason)
    folder = tmp_path / "native"
    assert asked(tree, folder) == ["none", "False", "function", "abab"]
    build.build(["room/one.py", "room/two.py"], tree, folder)
    assert asked(tree, folder) == ["used", "True", "builtin_function_or_method", "abab"]
    assert asked(tree, folder, {finder.SWITCH: "0"}) == ["off", "False", "function", "abab"]
    two = tree / "room" / "two.py"
    os.utime(two, ns=(1, 1))  # another time, the same content: a copied tree
    assert asked(tree, folder)[0] == "used"
    two.write_text(TWO.replace("* 2", "* 3"), encoding="utf-8")
    assert asked(tree, folder) == ["old", "False", "function", "ababab"]
    two.write_text(TWO, encoding="utf-8")
    assert asked(tree, folder) == ["used", "True", "builtin_function_or_method", "abab"]
    two.rename(two.with_name("three.py"))
    assert finder.state(folder) == "old"


def test_another_tree_is_never_given_the_modules_of_this(tree: Path, tmp_path: Path) -> None:
    found = finder.Native(tree, {"room.one": tmp_path / "one.so"})
    spec = found.find_spec("room.one", [str(tree / "room")])
    assert spec is not None and spec.origin == str(tree / "room" / "one.so")
    assert found.find_spec("room.one", [str(tmp_path / "other" / "room")]) is None
    assert found.find_spec("room.two", [str(tree / "room")]) is None


@pytest.mark.parametrize(
    ("compiler", "says"),
    [
        ("no-such-compiler-here", "no-such-compiler-here"),
        ("false", "the C compiler failed"),
    ],
)
def test_a_compiler_that_fails_leaves_the_sources(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compiler: str, says: str
) -> None:
    if reason := can_compile():
        pytest.skip(reason)
    monkeypatch.setenv("CC", compiler)
    with pytest.raises(Misconfigured, match=says):
        build.build(["room/two.py"], tree, tmp_path / "native")
    assert asked(tree, tmp_path / "native")[0] == "none"


def test_a_source_that_cannot_be_compiled_is_named(tree: Path, tmp_path: Path) -> None:
    if reason := can_compile():
        pytest.skip(reason)
    (tree / "room" / "two.py").write_text(TWO.replace("text * 2", "text.nothing()"), encoding="utf-8")
    with pytest.raises(Misconfigured, match=r"room/two\.py:6: error"):
        build.build(["room/two.py"], tree, tmp_path / "native")


def test_a_machine_without_a_compiler_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(Misconfigured, match="needs a C compiler"):
        build.compiler_of("")


def test_a_list_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    (tmp_path / finder.LIST).write_text("{", encoding="utf-8")
    assert finder.state(tmp_path) == "none"


def test_every_pattern_names_modules() -> None:
    names = build.chosen()
    assert len(names) == len(set(names)) > 100
    patterns = [
        line.strip(' ,"')
        for line in (build.HERE / "modules.toml").read_text().splitlines()
        if "/" in line and "#" not in line
    ]
    assert patterns and all(any(build.ROOT.glob(pattern)) for pattern in patterns)


def test_what_the_set_up_compiled_is_used_here(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the environment was made on a machine that can compile, these very tests run on compiled modules."""
    state = finder.state(build.FOLDER)
    if state in ("old", "off"):
        pytest.skip(f"compiled modules: {state}")
    assert state == "used" or can_compile(), "this machine can compile, and its set-up has not"
    code = main(["compile", "--state"])
    assert (code, finder.started()) == ((0, True) if state == "used" else (1, False))
    assert "compiled" in capsys.readouterr().out
    assert support.about(Settings(data=tmp_path))["compiled_modules"] is finder.started()


@pytest.mark.slow
def test_the_sources_do_the_same() -> None:
    """The whole outputs of all cases hold on the sources too, where the rest of the tests runs on compiled modules."""
    if not finder.started():
        pytest.skip("these tests run on the sources")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/hl7/test_cases.py"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment[finder.SWITCH] = "0"
    done = subprocess.run(command, cwd=build.ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert " passed" in done.stdout


def test_the_list_names_what_was_compiled(tree: Path, tmp_path: Path) -> None:
    if reason := can_compile():
        pytest.skip(reason)
    build.build(["room/two.py", "room/one.py"], tree, tmp_path / "native")
    made = json.loads((tmp_path / "native" / finder.LIST).read_text(encoding="utf-8"))
    assert set(made["sources"]) == {"room/__init__.py", "room/one.py", "room/two.py"}
    assert {"room.one", "room.two"} < set(made["modules"])
    assert all((tmp_path / "native" / name).is_file() for name in made["modules"].values())
