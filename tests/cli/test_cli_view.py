"""What is shown while a job runs: on a terminal, without one, quiet, and as JSON."""

import io
import json
import sys
import types

import pytest

from burnish.cli.main import main
from burnish.cli.view import PURPOSES, describe, live, plain, watching

EVENTS = [
    {"event": "plan", "lines": ["data: [digits]", "price: 3 min"]},
    {"event": "stage", "name": "prepare", "index": 1, "of": 2, "total": 0, "resumed": True},
    {"event": "stage_done", "name": "prepare", "seconds": 0.1, "resumed": True},
    {"event": "stage", "name": "pilot", "index": 2, "of": 2, "total": 4},
    {
        "event": "run",
        "stage": "pilot",
        "id": "p-0",
        "done": 1,
        "total": 4,
        "score": 0.5,
        "best": 0.75,
        "seconds_left": 65,
    },
    {
        "event": "run",
        "stage": "pilot",
        "id": "p-1",
        "done": 4,
        "total": 4,
        "score": None,
        "best": None,
        "seconds_left": 0,
    },
    {"event": "note", "text": "a [bold]note[/bold]"},
    {"event": "something new"},
    {"event": "stage_done", "name": "pilot", "seconds": 3725},
    {"event": "done"},
]


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def job(monkeypatch):
    def run(recipe, *, out, observer=None):
        print("printed by the network's own code")
        for event in EVENTS:
            observer(event)
        return {"verdict": {"case": "good"}, "value": float("nan")}

    module = types.ModuleType("burnish.pipeline.main_job")
    module.run = run
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr("burnish.reporting.terminal_summary", lambda report: f"SUMMARY {report['verdict']['case']}")


def test_plain_lines_say_it_all():
    lines = [line for event in EVENTS for line in describe(event)]
    assert lines == [
        "data: [digits]",
        "price: 3 min",
        "stage 1 of 2: prepare, already done",
        "stage 2 of 2: pilot (how good the baseline is, and how much scores vary), at most 4 runs",
        "pilot 1/4, score 0.5, best 0.75, 1:05 left",
        "pilot 4/4, no score",
        "a [bold]note[/bold]",
        "pilot done in 1:02:05",
    ]


def test_stages_that_took_no_time_are_not_reported_twice():
    assert describe({"event": "stage_done", "name": "verdict", "seconds": 0.4}) == []


def test_every_stage_says_what_it_is_for():
    from burnish.pipeline.main_job import STAGES

    assert set(STAGES) == set(PURPOSES)


def test_plain_lines_carry_the_time_since_the_start():
    stream = io.StringIO()
    plain(stream)({"event": "note", "text": "hello"})
    assert stream.getvalue() == "[   0:00] hello\n"


def test_a_terminal_keeps_notes_and_shows_the_stage(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = Terminal()
    with live(stream) as observer:
        for event in EVENTS:
            observer(event)
            if event["event"] == "run":
                sys.stdout.flush()
    shown = stream.getvalue()
    assert "a [bold]note[/bold]" in shown
    assert "data: [digits]" in shown
    assert "pilot done in 1:02:05" in shown
    assert "\x1b[" in shown
    assert "1/4, score" not in shown


def test_the_live_line_has_stage_count_time_left_and_best(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with live(stream) as observer:
        observer(EVENTS[3])
        observer(EVENTS[4])
    assert "stage 2 of 2: pilot" in stream.getvalue()
    assert "1/4 runs, 1:05 left, best 0.75" in stream.getvalue()


def test_the_live_line_names_the_runs_of_commands_without_stages(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with live(stream) as observer:
        observer(EVENTS[4] | {"stage": "compare"})
    assert "compare" in stream.getvalue()


def effects(done):
    rows = [
        types.SimpleNamespace(technique="Mixup()", gain=0.0123, error=0.004, on=3, off=2),
        types.SimpleNamespace(technique="A[b]", gain=None, error=None, on=1, off=4),
    ]
    return {"event": "effects", "done": done, "total": 12, "rows": rows}


def test_plain_lines_tell_effects_once_the_screen_is_through():
    assert describe(effects(5)) == []
    assert describe(effects(12)) == [
        "effects so far, from the screen alone:",
        "  Mixup()  +0.012 ± 0.004  (3 runs with it, 2 without)",
        "  A[b]     not known yet  (1 runs with it, 4 without)",
    ]


def test_a_terminal_shows_effects_while_the_screen_runs(monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "200")
    stream = Terminal()
    with live(stream) as observer:
        observer(EVENTS[3] | {"name": "screen"})
        observer(EVENTS[4] | {"stage": "screen", "job_seconds_left": 300})
        observer(effects(5))
    assert "+0.012 ± 0.004" in stream.getvalue()
    assert "A[b]" in stream.getvalue()
    assert "1:05 left (5:00 with the stages to come)" in stream.getvalue()


def test_watching_picks_the_view(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr(sys, "stdout", stream)
    with watching(quiet=True) as observer:
        for event in EVENTS:
            observer(event)
    assert stream.getvalue() == ""


def test_without_a_terminal_lines_then_the_summary(job, capsys):
    assert main(["run", "--out", "o"]) == 0
    out = capsys.readouterr().out
    assert "] stage 2 of 2: pilot" in out
    assert out.endswith("SUMMARY good\nreport: o/report.html\n")


def test_quiet_prints_the_summary_only(job, capsys):
    assert main(["run", "--quiet", "--out", "o"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "printed by the network's own code\nSUMMARY good\nreport: o/report.html\n"
    assert captured.err == ""


@pytest.mark.parametrize("more", [[], ["--quiet"]])
def test_json_is_alone_on_standard_output(job, capsys, more):
    assert main(["run", "--json", *more]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == {"verdict": {"case": "good"}, "value": None}
    assert "printed by" in captured.err
    assert ("stage 2 of 2: pilot" in captured.err) is (not more)
