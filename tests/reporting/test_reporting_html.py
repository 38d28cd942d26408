import re
from html.parser import HTMLParser

import pytest
import reporting_ledgers as ledgers

from burnish.records import to_json
from burnish.reporting import build_report
from burnish.reporting.html import render_html
from burnish.reporting.sections import SECTIONS

VOID = {"meta", "link", "br"}
TITLES = [
    "Verdict",
    "What limits the model",
    "What each technique does",
    "Predicted and found",
    "Candidate recipes",
    "Confirmation",
    "Learning curves",
    "Accuracy against latency and size",
    "Quality",
    "Weak segments",
    "Robustness",
    "More data",
    "Speed, size, stability",
    "Compression ladder",
    "Readouts and ensemble",
    "Every run",
    "The baseline and its network",
    "Environment and how to reproduce",
]


class Outline(HTMLParser):
    """Checks nesting and collects tags, texts and attributes."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.titles: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.texts.append(data)
            if self.open[-1] == "h2":
                self.titles.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def rendered(kind):
    return render_html(ledgers.report(kind))


def test_order_verdict_first():
    outline = Outline(rendered("classification"))
    assert outline.titles == TITLES
    assert outline.open == []
    assert len(SECTIONS) == len(TITLES)


@pytest.mark.parametrize("kind", ledgers.KINDS)
def test_page_is_self_contained_without_scripts_and_well_formed(kind):
    page = rendered(kind)
    outline = Outline(page)
    assert outline.open == []
    assert not {"script", "img", "iframe", "object"} & set(outline.tags)
    assert not [a for a in outline.attributes if a[0].startswith("on") or a[0] == "src"]
    assert {value for name, value in outline.attributes if name == "href" and not value.startswith("#")} == {"data:,"}
    assert "url(" not in page
    assert "@import" not in page
    assert "http" not in re.sub(r'http-equiv="[^"]*"', "", page)
    assert "default-src 'none'" in page
    assert "prefers-color-scheme: dark" in page


def test_headline_has_interval_n_and_what_ships():
    text = Outline(rendered("classification")).text
    assert "95.1 %" in text
    assert "97.2 %" in text
    assert "+2.1 points [1.4, 2.8]" in text
    assert "n = 5 fresh splits" in text
    assert "95 % interval of the paired difference; p < 0.001" in text
    assert "97.4 % [96.2, 98.6]" in text
    assert "n = 697 examples, opened once" in text
    assert "24.9 kB (×0.32)" in text
    assert "p50 latency, batch 1: 0.059 ms (×0.65)" in text


def test_text_from_data_is_escaped_everywhere(tmp_path):
    hostile = (ledgers.HOSTILE, '"><svg onload=alert(1)>', *"23456789")
    ledger = ledgers.digits_start(tmp_path, hostile)
    ledgers.digits_baseline(ledger)
    findings = [{"rule": ledgers.HOSTILE, "title": ledgers.HOSTILE, "state": "fires", "evidence": ledgers.HOSTILE}]
    findings[0] |= {"measured": 1, "threshold": 0.5, "remedies": [ledgers.HOSTILE]}
    ledgers.put(ledger, "diagnose", 1.0, diagnosis=findings, frontier={"skipped": ledgers.HOSTILE})
    effect = {"technique": ledgers.HOSTILE, "word": ledgers.HOSTILE, "flags": [ledgers.HOSTILE]}
    effect["at_recipe"] = ledgers.est(0.01, 0.02, 12, "splits", 0.9)
    ledgers.put(ledger, "analyse", 1.0, screening={"runs": 12, "effects": [effect], "note": ledgers.HOSTILE})
    ledgers.digits_confirm(ledger)
    ledgers.digits_finish(ledger, hostile)
    step = {"step": ledgers.HOSTILE, "score": 0.9, "latency_ms": 1.0, "bytes": 5, "accepted": True}
    ledgers.put(ledger, "test", 1.0, frontier=[step], data={"name": ledgers.HOSTILE, "notes": [ledgers.HOSTILE]})
    ledgers.put_runs(ledger, [ledgers.run(0, "screen", 0.0, status="failed", error=ledgers.HOSTILE)])
    page = render_html(build_report(ledger))
    outline = Outline(page)
    assert not {"script"} & set(outline.tags)
    assert not [a for a in outline.attributes if a[0].startswith("on")]
    assert outline.text.count(ledgers.HOSTILE) >= 12
    assert "<script" not in page


@pytest.mark.parametrize("kind", ledgers.KINDS)
def test_reasons_of_skipped_sections_are_shown(kind):
    report = ledgers.report(kind)
    text = Outline(render_html(report)).text
    for value in report.values():
        if isinstance(value, dict) and "skipped" in value:
            assert value["skipped"] in text


def test_regression_is_in_its_own_unit_and_has_no_classes():
    text = Outline(rendered("regression")).text
    assert "48,257 USD" in text
    assert "+1,473 USD [603, 2,343]" in text
    assert "smaller is better" in text
    assert "0.013" in text
    assert "points" not in text
    assert "Most frequent mistakes" not in text
    assert "241 USD" in text  # the smallest gain that matters is a share of the baseline's error


def test_nothing_to_gain_is_a_verdict():
    text = Outline(rendered("nothing_to_gain")).text
    assert "Nothing to gain" in text
    assert "Too little data is to blame" in text
    assert "'word'" not in text


def test_what_no_stage_has_reached_is_named_in_one_line():
    outline = Outline(rendered("unfinished"))
    assert outline.titles[-1] == "Not reached"
    assert "Confirmation" not in outline.titles
    assert "Not reached" not in Outline(rendered("classification")).titles


def test_a_diagnosis_is_no_unfinished_job():
    found = {**ledgers.report("unfinished"), "command": "burnish diagnose cnn --data digits"}
    text = Outline(render_html(found)).text
    assert "burnish run" in text
    assert "No verdict yet" not in text
    assert "Sealed test set" not in text


def test_unfinished_says_what_is_left():
    text = Outline(rendered("unfinished")).text
    assert "No verdict yet" in text
    assert "Not run: confirm" in text


def test_empty_ledger_still_gives_a_page(tmp_path):
    from burnish.ledger import Ledger

    ledger = Ledger(tmp_path)
    ledger.open({})
    assert Outline(render_html(build_report(ledger))).titles[0] == "Verdict"


def test_layers_that_were_left_whole_say_why():
    report = ledgers.report("classification")
    report["layers"] = [{"layer": "last", "operator": "Gemm", "before": 10, "after": 10, "precision": "float32"}]
    report["left_whole"] = [{"layer": f"layer{i}", "reason": "its channels are the outputs"} for i in range(60)]
    page = render_html(report)
    assert "layer39: its channels are the outputs" in page
    assert "layer40: " not in page
    assert "and 20 more" in page


def test_large_jobs_stay_under_a_megabyte():
    report = ledgers.report("classification")
    names = tuple(f"class number {i}" for i in range(300))
    report["task"]["classes"] = list(names)
    for arm, seed in (("before", 1), ("after", 2)):
        report["quality"][arm]["per_class"] = to_json(ledgers.class_rows(names, 0.9, seed))
        report["quality"][arm]["confusion"] = ledgers.confusion(300, 0.9, seed)
    report["runs"] = report["runs"] * 40
    report["baseline"]["layers"] = report["baseline"]["layers"] * 200
    page = render_html(report)
    assert len(page.encode()) < 1_000_000
    assert "200 better classes are left out" in page
    assert f"The first 600 of {len(report['runs'])}" in page
    assert Outline(page).open == []
