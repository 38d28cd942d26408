"""Names from data that would be markup, code or terminal control where they are shown: they stay text."""

from html.parser import HTMLParser

from burnish.pipeline.stages import compress

HOSTILE = ("<script>alert(1)</script>", "[bold red]x[/] | `y` \x1b[31m", '"><img src=x onerror=alert(2)>')


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, page):
        super().__init__()
        self.seen = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen |= {tag, *(name for name, _ in attrs)}


def test_hostile_names_stay_text(burnish, tmp_path, monkeypatch):
    monkeypatch.setattr(compress, "RATIOS", ())
    for name, count in (("train", 60), ("val", 30)):
        lines = [f"{i % 3},{(i * 7) % 5},{_quoted(HOSTILE[i % 3])}" for i in range(count)]
        (tmp_path / f"{name}.csv").write_text("\n".join([f"a,{_quoted(HOSTILE[0])},label", *lines]) + "\n")
    out = tmp_path / "out"
    words = ("--epochs", 1, "--lr", 0.01, "--budget", "quick", "--only", "Mixup", "--out", out)
    code, printed, error = burnish("run", "--data", tmp_path, *words)
    assert (code, error) == (0, "")
    assert "\x1b[31m" not in printed
    page = (out / "report.html").read_text()
    assert "alert(1)" in page  # it is shown
    assert not Tags(page).seen & {"script", "img", "onerror"}
    assert "<script" not in (out / "report.md").read_text().replace("\\<script", "")


def _quoted(text):
    return '"' + text.replace('"', '""') + '"'
