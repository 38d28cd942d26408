"""Every example runs to its end, in a directory of its own, and says something."""

import runpy
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(FOLDER.glob("*.py"))
LONG = ("07_compress_and_predict",)  # whole jobs, which the README's Python and tests/pipeline have by default
SAYS = {
    "00_baseline": "validation accuracy: 0.9",
    "01_compare_a_technique": "better: accuracy",
    "02_own_network": "hidden",
    "03_own_data": "600 validation rows, 597 sealed test rows",
    "04_table_regression": "note: modality taken as table",
    "05_own_loop": "epoch 5: accuracy 0.",
    "06_study": "report: runs/wine-study/report.html",
    "07_compress_and_predict": "it is a 9",
}


def test_the_folder_and_this_list_agree():
    assert [file.stem for file in FILES] == list(SAYS)


@pytest.mark.parametrize(
    "file",
    [pytest.param(file, marks=pytest.mark.slow if file.stem in LONG else ()) for file in FILES],
    ids=[file.stem for file in FILES],
)
def test_the_example_runs(file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(file), run_name="__main__")
    assert SAYS[file.stem] in capsys.readouterr().out


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_the_example_says_what_it_shows(file):
    text = file.read_text(encoding="utf-8")
    assert text.startswith('"""')
    assert len(text.splitlines()) < 70
