"""Public names: listed, present and documented."""

import ast

import pytest
from imports import PACKAGE, sources

SHORT = ("utils", "helpers", "misc", "common")


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def listed(tree):
    """The names in `__all__`, or None."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            return ast.literal_eval(node.value)
    return None


def definitions(tree):
    return {n.name: n for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}


def bound(tree):
    """All names the top level of a module binds."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


MODULES = pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))


@MODULES
def test_a_module_says_what_it_is(path):
    text = ast.get_docstring(tree_of(path)) or ""
    assert len(text) > 10
    assert not path.stem.startswith(SHORT)


@MODULES
def test_what_is_listed_exists_and_is_documented(path):
    tree = tree_of(path)
    names = listed(tree) or []
    lazy = "__getattr__" in definitions(tree)
    missing = [name for name in names if name not in bound(tree) and not lazy]
    silent = [n for n, node in definitions(tree).items() if n in names and not ast.get_docstring(node)]
    assert (missing, silent, len(names)) == ([], [], len(set(names)))


@MODULES
def test_public_definitions_are_documented(path):
    public = {name: node for name, node in definitions(tree_of(path)).items() if not name.startswith("_")}
    assert [name for name, node in public.items() if not ast.get_docstring(node)] == []


def test_the_public_names_of_the_package_resolve_and_are_documented():
    import burnish

    found = {name: getattr(burnish, name) for name in burnish.__all__}
    silent = [name for name, value in found.items() if name != "__version__" and not (value.__doc__ or "").strip()]
    assert silent == []
    assert sorted(burnish.__all__) == list(burnish.__all__)


def test_nothing_is_left_for_later():
    marks = ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error")
    found = [f"{p.name}: {m}" for p in sources() for m in marks if m in p.read_text(encoding="utf-8")]
    assert found == []
