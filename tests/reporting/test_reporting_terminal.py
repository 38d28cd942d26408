import pytest
import reporting_ledgers as ledgers
from rich.console import Console

from burnish.reporting import build_report, terminal_summary


def printed(report, width=120):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(terminal_summary(report))
    return capture.get()


def test_summary_has_verdict_scores_costs_and_next():
    text = printed(ledgers.report("classification"))
    assert text.startswith("Confirmed  Accuracy 95.1 %")
    for part in (
        "+2.1 points [1.4, 2.8]",
        "×0.32",
        "0.059 ms",
        "● BatchNorm()",
        "helps",
        "ships: ",
        "next:  burnish",
    ):
        assert part in text
    assert "and 2 more in the report" in text
    assert len(text.splitlines()) < 35


@pytest.mark.parametrize("kind", ledgers.KINDS)
def test_narrow_terminals_lose_no_number(kind):
    report = ledgers.report(kind)
    wide, narrow = printed(report, 140), printed(report, 96)
    first = "+1,050 [450, 1,650]" if kind == "regression" else "+2.1 [0.9, 3.3]"
    assert first in wide
    assert first in narrow


def test_names_are_no_markup(tmp_path):
    ledger = ledgers.digits_start(tmp_path)
    row = {"technique": "[bold red]X[/]", "word": "[link=evil]helps[/]", "at_recipe": ledgers.est(0.01, 0.02, 3)}
    ledgers.put(ledger, "analyse", 1.0, screening={"runs": 12, "effects": [row]})
    text = printed(build_report(ledger))
    assert "[bold red]X[/]" in text
    assert "[link=evil]helps[/]" in text


def test_nothing_at_all():
    assert printed({}).startswith("No verdict yet")


def test_a_quick_diagnosis_says_what_it_found():
    clear = {"rule": "R9", "title": "class imbalance", "state": "clear", "evidence": "even."}
    fires = {"rule": "R3", "title": "copies", "state": "fires", "evidence": "12 rows are copies.", "gain": 0.5}
    quick = {"recipe": {"diagnosis": "quick"}}
    found = printed(quick | {"diagnosis": [fires, clear]})
    assert found.startswith("1 finding ")
    assert "First R3 copies: 12 rows are copies." in " ".join(found.split())
    assert "2 checks" in found
    assert printed(quick | {"diagnosis": [clear]}).startswith("Nothing found")


def test_what_is_proven_elsewhere_is_said_with_its_n():
    text = printed(ledgers.report("classification"))
    assert "log loss: BatchNorm() helps, +0.0520 [0.0320, 0.0720] (n = 19)" in text
    assert "training time: BatchNorm() helps, ×0.80 (n = 19)" in text
    assert "log loss: Dropout" not in text
