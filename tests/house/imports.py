"""Every import a source text makes, in whatever form it is written."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "burnish"
DOTTED = re.compile(r"^burnish(\.\w+)+(:\w+)?$")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def package_of(path: Path) -> str:
    name = module_name(path)
    return name if path.name == "__init__.py" else name.rpartition(".")[0]


def absolute(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    base = package.split(".")[: len(package.split(".")) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def imported(text: str, package: str = "burnish") -> set[str]:
    """Dotted names that `text`, a module in `package`, imports.

    `from a.b import c` gives `a.b.c`, so that a submodule taken from its package is seen. Strings that
    name a module of ours (`importlib.import_module("burnish.x")`, `"burnish.x:function"`) count as well.
    """
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{absolute(node, package)}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and DOTTED.match(node.value):
            found.add(node.value.partition(":")[0])
        elif isinstance(node, ast.Call):
            found |= _called(node, package)
    return found


def _called(node: ast.Call, package: str) -> set[str]:
    """The module named in `import_module(...)`, `__import__(...)` and `find_spec(...)`, relative ones too."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name not in ("import_module", "__import__", "find_spec") or not node.args:
        return set()
    first = node.args[0]
    if not isinstance(first, ast.Constant) or not isinstance(first.value, str):
        return set()
    text = first.value
    return {f"{package}{text}" if text.startswith(".") else text}


def sources() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))
