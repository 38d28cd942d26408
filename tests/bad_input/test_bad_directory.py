"""Directories that are no run, hold another job, or are damaged."""

import shutil

import pytest
from bad_input_files import write_arrays

from burnish.ledger import Ledger

WORDS = ("--epochs", 1, "--lr", 0.01, "--seeds", 2, "--quiet", "--out")


@pytest.fixture
def trained(burnish, arrays, tmp_path):
    """A directory of `burnish train`, and the command line that made it."""
    words = ("train", "mlp", "--data", arrays, *WORDS, tmp_path / "run")
    assert burnish(*words)[0] == 0
    return tmp_path / "run", words


@pytest.mark.parametrize("command", ["report", "status", "compress", "export"])
def test_what_is_no_run_directory(check_refused, tmp_path, arrays, command):
    says = "is it a run directory of Burnish. Name the --out of an earlier `burnish run`"
    (tmp_path / "empty").mkdir()
    check_refused(command, tmp_path / "empty", says="empty has no ledger/recipe.json; " + says)
    check_refused(command, tmp_path / "absent", says="absent does not exist; " + says)
    check_refused(command, arrays, says=says)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["arrays.npz", "empty"]
    assert not list((tmp_path / "empty").iterdir())


def test_comparing_what_cannot_be_compared(check_refused, burnish, trained, tmp_path):
    run, _ = trained
    check_refused("compare", run, tmp_path / "absent", says="absent does not exist; is it a run directory")
    check_refused("compare", tmp_path, run, says="has no ledger/recipe.json; is it a run directory")
    check_refused("compare", run, run, "third", says="compare takes two run directories or one network, got 3")
    other = write_arrays(tmp_path / "other.npz", rows=80)
    assert burnish("train", "mlp", "--data", other, *WORDS, tmp_path / "other")[0] == 0
    check_refused("compare", run, tmp_path / "other", says="trained on different data; only runs on the same data can")


def test_an_unfinished_run_has_nothing_to_ship(check_refused, trained, tmp_path):
    run, _ = trained
    check_refused("export", run, tmp_path / "m.onnx", says="has no exported model; finish it with `burnish run --out")
    check_refused("compress", run, says="is not finished; run `burnish run --out .*` to the end first")
    check_refused("predict", run, run / "report.html", says="there is no .*model.json; name the directory of a run")


def test_another_recipe_is_refused_and_the_difference_named(check_refused, trained):
    run, words = trained
    before = {path: path.read_bytes() for path in run.rglob("*.json")}
    check_refused(
        *words, "--batch-size", 8, says="holds another job .batch_size: was None, now 8.; give another", code=1
    )
    assert before == {path: path.read_bytes() for path in run.rglob("*.json")}


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff\xfe"], ids=["empty", "cut", "list", "other", "bytes"]
)
def test_a_damaged_result_is_named_and_made_again_when_it_is_deleted(check_refused, burnish, trained, content):
    run, words = trained
    before = [found.score for found in Ledger(run).runs()]
    file = sorted((run / "ledger" / "runs").glob("*/result.json"))[0]
    file.write_bytes(content)
    says = f"could not read .*{file.parent.name}/result.json: .*; delete it and run the command again"
    for command in (("report", run), ("status", run), words):
        check_refused(*command, says=says, code=1)
    file.unlink()
    assert burnish(*words)[0] == 0
    assert [found.score for found in Ledger(run).runs()] == before


@pytest.mark.parametrize("name", ["recipe.json", "seconds.json", "stages/tune.json", "openings.jsonl"])
def test_other_damaged_files_are_named(check_refused, trained, name):
    run, _ = trained
    file = run / "ledger" / name
    for content in (b'{"a": ', b"[1, 2]\n"):
        file.write_bytes(content)
        if name == "stages/tune.json":
            check_refused("report", run, says=f"could not read .*{name}: .*; delete it and run", code=1)
        else:
            check_refused("status", run, says=f"could not read .*{name}: .*; delete it and run", code=1)


def test_a_lost_run_of_a_finished_stage(trained):
    run, _ = trained
    ledger = Ledger(run)
    found = next(ledger.runs())
    shutil.rmtree(ledger.run_directory(found.id))
    with pytest.raises(
        Exception, match="has no result of run .*; delete .*stages/train.json and run the command again"
    ):
        ledger.run(found.id)


def test_damaged_arrays_of_a_run(trained):
    run, _ = trained
    ledger = Ledger(run)
    found = next(ledger.runs())
    file = ledger.run_directory(found.id) / "predictions.npz"
    assert set(ledger.arrays(found.id)) >= {"outputs", "rows"}
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(
        Exception, match=f"could not read .*predictions.npz: .*; delete .*{found.id} and run the command"
    ):
        ledger.arrays(found.id)
