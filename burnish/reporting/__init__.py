"""What a job found, for people: report.json, one HTML file, Markdown and a summary for the terminal.

Sees only records and the ledger.
"""

from burnish.reporting.build import build_report as build_report
from burnish.reporting.terminal import terminal_summary as terminal_summary
from burnish.reporting.write import write_report as write_report
