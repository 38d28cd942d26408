import json
import subprocess
import sys

import pytest
import reporting_ledgers as ledgers

from burnish.errors import LedgerError
from burnish.ledger import Ledger
from burnish.reporting import build_report, write_report
from burnish.reporting.build import SECTIONS, STAGES


def test_stages_are_merged_in_order_and_private_keys_stay_private(tmp_path):
    ledger = Ledger(tmp_path)
    ledger.open({"data": "digits"})
    ledger.put_stage("verdict", {"report": {"data": {"name": "last"}}})
    ledger.put_stage("prepare", {"report": {"data": {"name": "first"}}, "secret": 1})
    report = build_report(ledger)
    assert report["data"] == {"name": "last"}
    assert "secret" not in report
    assert report["recipe"] == {"data": "digits"}


def test_what_was_not_reached_says_so(tmp_path):
    report = build_report(ledgers.unfinished(tmp_path))
    assert report["confirmation"] == report["verdict"] == {"skipped": "not reached"}
    assert report["screening"]["runs"] == 12
    assert report["stages"]["left"][0] == "candidates" or "candidates" in report["stages"]["done"]
    assert report["stages"]["done"] + report["stages"]["left"] != []
    assert all(report[name] is not None for name in SECTIONS)


def test_every_run_and_second_is_there(tmp_path):
    ledger = ledgers.classification(tmp_path)
    report = build_report(ledger)
    assert [r["id"] for r in report["runs"]] == sorted(
        (r.id for r in ledger.runs()), key=lambda name: (STAGES.index(name.split("-")[0]), name)
    )
    diverged = next(r for r in report["runs"] if r["status"] == "diverged")
    assert diverged["score"] is None
    assert diverged["error"] == "loss became NaN in epoch 3"
    assert report["seconds"] == ledger.seconds()


def test_report_is_plain_json(tmp_path):
    report = build_report(ledgers.regression(tmp_path))
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_three_files_are_written_and_agree(tmp_path):
    ledger = ledgers.classification(tmp_path)
    page = write_report(tmp_path)
    assert page == tmp_path / "report.html"
    assert json.loads((tmp_path / "report.json").read_text()) == build_report(ledger)
    assert (tmp_path / "report.md").read_text().startswith("# Burnish: cnn on digits\n")
    before = [(tmp_path / f"report.{end}").read_bytes() for end in ("json", "md", "html")]
    write_report(tmp_path)
    assert before == [(tmp_path / f"report.{end}").read_bytes() for end in ("json", "md", "html")]
    assert not list(tmp_path.glob(".tmp-*"))


def test_a_folder_without_ledger_is_refused(tmp_path):
    with pytest.raises(LedgerError, match="is it a run directory"):
        write_report(tmp_path)
    assert not list(tmp_path.iterdir())


def test_writing_a_report_needs_no_torch(tmp_path):
    ledgers.nothing_to_gain(tmp_path)
    code = (
        "import sys; from burnish.reporting import write_report; write_report(sys.argv[1]); "
        "print([m for m in ('torch', 'pandas', 'sklearn', 'matplotlib') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
