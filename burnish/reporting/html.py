"""The report as one self-contained HTML file: no network, no scripts, light and dark.

All text is escaped by the template; only the drawings of `figures` are markup, and they escape
what they are given. A content security policy in the file forbids scripts and any request.
"""

from pathlib import Path
from typing import Any

from burnish.reporting.sections import document
from burnish.reporting.view import View

__all__ = ["render_html"]

TEMPLATES = Path(__file__).parent / "templates"


def render_html(report: dict[str, Any]) -> str:
    """The page for the dict of `build_report`."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    view = View(report)
    style = (TEMPLATES / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        title=_title(view),
        sections=document(view),
        style=style,
        schema=report.get("schema"),
        version=report.get("burnish"),
    )


def _title(view: View) -> str:
    return f"{view.network or 'a network'} on {view.inner('data', 'name') or 'its data'}"
