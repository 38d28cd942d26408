"""What must start fast, or run where torch is not installed, never loads torch."""

import subprocess
import sys

import pytest

WITHOUT_TORCH = [
    "burnish",
    "burnish.errors",
    "burnish.records",
    "burnish.ledger",
    "burnish.execution",
    "burnish.metrics",
    "burnish.tasks",
    "burnish.evaluation.saved",
    "burnish.data",
    "burnish.data.preparation",
    "burnish.data.splits",
    "burnish.data.load",
    "burnish.exporting",
    "burnish.exporting.runtime",
    "burnish.exporting.latency",
    "burnish.exporting.package",
    "burnish.reporting",
    "burnish.pipeline.recipe",
    "burnish.cli.main",
]
HEAVY = "('torch', 'sklearn', 'pandas', 'scipy', 'onnx', 'onnxruntime', 'matplotlib', 'pyarrow', 'PIL')"
IMPORTS = """
import importlib, sys
for name in {names!r}:
    importlib.import_module(name)
    if 'torch' in sys.modules:
        sys.exit(name + ' loads torch')
"""
# A finder that refuses torch: the commands must work where it is not installed.
NO_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] == 'torch':
            raise ModuleNotFoundError('torch is not installed')
sys.meta_path.insert(0, Refuse())
from burnish.cli.main import main
"""


def run(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_modules_that_load_no_torch():
    done = run(IMPORTS.format(names=WITHOUT_TORCH))
    assert (done.returncode, done.stderr) == (0, "")


def test_help_loads_nothing_heavy():
    done = run(
        "import sys; from burnish.cli.main import main; code = main(['--help']); code += main(['run', '--help']);"
        f"found = [n for n in {HEAVY} if n in sys.modules]; sys.exit(', '.join(found) or code)"
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--help"], 0),
        (["--version"], 0),
        (["status", "/nowhere"], 2),
        (["report", "/nowhere"], 2),
        (["predict", "/nowhere", "x.png"], 2),
        (["evaluate", "/nowhere"], 2),
        (["bench", "/nowhere.onnx"], 2),
        (["run", "--epochs", "0"], 2),
    ],
)
def test_commands_that_need_no_torch(words, code):
    done = run(f"{NO_TORCH}\nsys.exit(main({words!r}))")
    assert done.returncode == code, done.stderr
    assert "torch" not in done.stderr
    assert "Error" not in done.stderr


def test_status_and_report_of_a_run_need_no_torch(tmp_path):
    from burnish.ledger import Ledger

    ledger = Ledger(tmp_path)
    ledger.open({"seed": 0})
    ledger.once("pilot", lambda: {"report": {}})
    done = run(f"{NO_TORCH}\nsys.exit(main(['status', {str(tmp_path)!r}]) or main(['report', {str(tmp_path)!r}]))")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "report.html").exists()
