import re

import pytest
import reporting_ledgers as ledgers
from test_reporting_html import TITLES

from burnish.reporting import build_report
from burnish.reporting.markdown import render_markdown


@pytest.mark.parametrize("kind", ledgers.KINDS)
def test_tables_are_rectangular(kind):
    text = render_markdown(ledgers.report(kind))
    blocks = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert blocks
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1
        assert re.fullmatch(r"\|( :?-+:? \|)+", block.splitlines()[1])


def test_same_sections_in_the_same_order():
    text = render_markdown(ledgers.report("classification"))
    assert re.findall(r"^## (.*)$", text, flags=re.MULTILINE) == TITLES
    assert "gain +2.1 points \\[1.4, 2.8\\]" in text
    assert "<svg" not in text


def test_text_has_no_meaning_to_markdown_or_html(tmp_path):
    hostile = "<script>a|b</script> [x](http://evil) `c`"
    ledger = ledgers.digits_start(tmp_path)
    row = {"technique": hostile, "word": hostile, "flags": []}
    ledgers.put(ledger, "analyse", 1.0, screening={"runs": 12, "effects": [row], "note": hostile})
    text = render_markdown(build_report(ledger))
    assert "<script" not in text.replace("\\<script", "")
    assert "](http" not in text.replace("\\](http", "").replace("\\]\\(http", "")
    table = next(line for line in text.splitlines() if line.startswith("| \\<script"))
    assert len(re.findall(r"(?<!\\)\|", table)) == 9


def test_other_metrics_cross_check_and_promise_are_tables_with_their_n():
    text = render_markdown(ledgers.report("classification"))
    rows = [line for line in text.splitlines() if line.startswith("| `BatchNorm()`")]
    assert any("+0.0520 [0.0320, 0.0720] P 0.99" in row.replace("\\", "") for row in rows)
    assert any("×0.80" in row for row in rows)
    assert "Runs: n = 19 for each." in text.replace("\\", "")
    assert "Cross-check: ordinary averages" in text
    assert "Varied beside the techniques" in text.replace("\\", "")
