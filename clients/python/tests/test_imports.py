"""Import structure of the package."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from support import ROOT

PACKAGE = ROOT / "clients/python/src/openrunner"


def imports(file: Path, modules: set[str]) -> set[str]:
    """Returns the modules of the package that a module imports, also only for type checking."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name.removeprefix("openrunner.") for alias in node.names if alias.name.startswith("openrunner")]
        elif isinstance(node, ast.ImportFrom) and (node.level == 1 or (node.module or "").startswith("openrunner")):
            module = (node.module or "").removeprefix("openrunner").lstrip(".")
            names = [module] if module else [alias.name for alias in node.names]
        else:
            continue
        # A name that is not a module comes from the package itself.
        found |= {name if name in modules else "__init__" for name in names}
    return found


def test_modules_do_not_import_each_other_in_cycles() -> None:
    files = {file.stem: file for file in PACKAGE.glob("*.py")}
    graph = {name: imports(file, set(files)) for name, file in files.items()}
    assert "_handle" in graph["_client"]
    TopologicalSorter(graph).prepare()


def test_the_check_detects_a_cycle(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from .b import x\n")
    (tmp_path / "b.py").write_text("if TYPE_CHECKING:\n    from . import a\n")
    graph = {name: imports(tmp_path / f"{name}.py", {"a", "b"}) for name in ("a", "b")}
    with pytest.raises(CycleError):
        TopologicalSorter(graph).prepare()
