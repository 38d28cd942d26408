"""A test without an assertion is no test; one that looks at the clock is a lottery."""

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
FILES = sorted(TESTS.rglob("test_*.py"))
WORDS = ("assert", "check", "raises", "warns", "fail")


def asserting(tree):
    """Names of functions that assert, themselves or through another function of the file."""
    functions = {n.name: n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)}
    found = {name for name, node in functions.items() if direct(node)}
    while True:
        more = {name for name, node in functions.items() if name not in found and calls(node) & found}
        if not more:
            return found
        found |= more


def direct(node):
    inside = list(ast.walk(node))
    checked = [k for n in inside if isinstance(n, ast.Call) for k in n.keywords if k.arg == "check"]
    return (
        any(isinstance(inner, ast.Assert) for inner in inside)
        or any(getattr(keyword.value, "value", None) is True for keyword in checked)  # subprocess.run(..., check=True)
        or any(name.startswith(WORDS) for name in calls(node))
    )


def calls(node):
    """The last name of everything that is called, decorators left out."""
    inside = [inner for statement in node.body for inner in ast.walk(statement) if isinstance(inner, ast.Call)]
    return {getattr(call.func, "attr", getattr(call.func, "id", "")) for call in inside}


def silent(text):
    """Test functions of a file that assert nothing."""
    tree = ast.parse(text)
    tests = [n.name for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name.startswith("test")]
    return [name for name in tests if name not in asserting(tree)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(TESTS)))
def test_every_test_asserts(path):
    assert silent(path.read_text(encoding="utf-8")) == []


def test_a_silent_test_is_found():
    assert silent("def test_a():\n    print(1)") == ["test_a"]
    assert silent("def test_a():\n    look()\n\ndef look():\n    pass") == ["test_a"]


def test_assertions_in_all_their_forms_are_seen():
    assert silent("def test_a():\n    assert 1") == []
    assert silent("def test_a():\n    with pytest.raises(ValueError):\n        f()") == []
    assert silent("def test_a():\n    np.testing.assert_allclose(1, 1)") == []
    assert silent("def test_a():\n    subprocess.run([], check=True)") == []
    assert silent("def test_a():\n    look()\n\ndef look():\n    assert 1") == []


def test_base_names_are_unique():
    names = [path.name for path in FILES]
    assert sorted(names) == sorted(set(names))


def test_no_test_asserts_a_duration():
    slow = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assert) and isinstance(node.test, ast.Compare):
                operands = [node.test.left, *node.test.comparators]
                if any(clock_call(inner) for operand in operands for inner in ast.walk(operand)) and not node.msg:
                    slow.append(f"{path.name}:{node.lineno}")
    assert slow == []  # a limit on waiting carries a message and is allowed


def clock_call(node):
    called = node.func if isinstance(node, ast.Call) else None
    of_time = isinstance(called, ast.Attribute) and getattr(called.value, "id", "") == "time"
    return of_time and called.attr in ("perf_counter", "monotonic", "time", "process_time")
