"""The three files of a report."""

from pathlib import Path

from burnish.ledger import Ledger, write_text
from burnish.records import dumps
from burnish.reporting.build import build_report

__all__ = ["write_report"]


def write_report(root: Path | str) -> Path:
    """Write `report.json`, `report.md` and `report.html` into the run directory `root`, each whole or not at all.

    Works at any time, also on a job that is unfinished or was interrupted.

    Returns:
        The path of the HTML file.

    Raises:
        LedgerError: `root` is no run directory, or cannot be written.
    """
    from burnish.reporting.html import render_html
    from burnish.reporting.markdown import render_markdown

    root = Path(root)
    report = build_report(Ledger(root))
    page, text = render_html(report), render_markdown(report)
    write_text(root / "report.json", dumps(report))
    write_text(root / "report.md", text)
    write_text(root / "report.html", page)
    return root / "report.html"
