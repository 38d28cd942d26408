"""The report of a directory in which trained runs were only compressed."""

import pytest
from reporting_ledgers import est

from burnish.compression.ladder import promise
from burnish.records import to_json
from burnish.reporting.markdown import render_markdown
from burnish.reporting.sections.compressed import compressed_cards, compressed_hero
from burnish.reporting.view import View


def report(gain, *, step="pruned 50%", requirement=None):
    steps = [
        {"step": "float", "accepted": True, "bytes": 1000, "latency_ms": to_json(est(2.0, 0.1, 320, unit="ms"))},
        {"step": "pruned 50%", "accepted": True, "bytes": 250, "latency_ms": to_json(est(0.5, 0.1, 320, unit="ms"))},
    ]
    sides = {"before": est(0.8, 0.02, 400), "after": est(0.8 + gain.value, 0.02, 400), "difference": gain}
    told = {"openings": 2, "n": 400, "metric": "accuracy", "allowed_drop": 0.01, "promise": promise(gain, 0.01)}
    return {
        "task": {"kind": "classification", "metric": "accuracy"},
        "search": {"shapes": [], "trials": [], "note": ""},
        "compression": steps,
        "max_drop": 0.01,
        "requirement": requirement or {"skipped": "none was given"},
        "compressed": {"step": step, "path": "compressed.onnx", "test": to_json(told | sides)},
        "verdict": {"skipped": "not reached"},
    }


@pytest.mark.parametrize(
    ("value", "half", "tone", "told"),
    [
        (0.005, 0.01, "good", "costs no more than the allowed 0.01."),
        (-0.015, 0.01, "warn", "on these 400 examples, which leave open"),
        (-0.05, 0.01, "warn", "On the test set it cost more than the allowed 0.01; a bound"),
    ],
)
def test_the_verdict_says_what_the_choice_costs_on_test(value, half, tone, told) -> None:
    found = compressed_hero(View(report(est(value, half, 400))))
    assert (found.word, found.tone) == ("Compressed", tone)
    assert "latency ×0.25, size ×0.25" in found.meaning
    assert told in found.meaning
    assert "opened 2 times; n = 400" in found.basis


def test_a_job_is_not_asked_for_where_none_was() -> None:
    text = render_markdown(report(est(0.005, 0.01, 400)))
    assert "Compressed on request" in text
    for wrong in ("No verdict yet", "Not opened", "Nothing exported", "Finished stages"):
        assert wrong not in text, wrong


def test_what_was_not_reached_is_the_verdict() -> None:
    missed = report(est(0, 0.01, 400), requirement={"text": "bytes<=5", "met": False, "message": "missed by 95"})
    assert compressed_hero(View(missed)).word == "Requirement not met"
    assert compressed_hero(View(report(est(0, 0.01, 400), step="float"))).word == "Nothing smaller costs little enough"
    del missed["compressed"]
    assert compressed_cards(View(missed)) == ()
    assert "missed by 95" in render_markdown(missed).lower()


def test_a_finished_job_keeps_its_verdict_and_shows_the_file_beside_it() -> None:
    job = report(est(0.005, 0.01, 400)) | {"verdict": {"case": "good", "text": "All well."}}
    text = render_markdown(job)
    assert text.index("Good") < text.index("Compressed on request")
