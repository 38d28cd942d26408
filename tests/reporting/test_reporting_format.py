import math

import pytest

from burnish.records import Estimate, to_json
from burnish.reporting.format import (
    bytes_text,
    duration,
    estimate,
    milliseconds,
    number,
    p_text,
    probability,
    ratio,
    scale_for,
    short_count,
    significant,
)


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (bytes_text, 24_900, "24.9 kB"),
        (bytes_text, 999, "999 B"),
        (bytes_text, 5_123_000_000, "5.12 GB"),
        (duration, 0.004, "< 0.01 s"),
        (duration, 0.42, "0.42 s"),
        (duration, 3, "3.0 s"),
        (duration, 59.4, "59 s"),
        (duration, 200, "3 min 20 s"),
        (duration, 3900, "1 h 05 min"),
        (milliseconds, 0.05912, "0.0591 ms"),
        (milliseconds, {"value": 1.5, "low": 1.4, "high": 1.6}, "1.5 ms"),
        (ratio, 1.236, "×1.24"),
        (probability, 0.9999, "> 0.99"),
        (probability, 0.001, "< 0.01"),
        (p_text, 0.0004, "p < 0.001"),
        (p_text, 0.0123, "p = 0.012"),
        (short_count, 412_000, "412 k"),
        (short_count, 9_999, "9,999"),
        (short_count, 11_200_000, "11.2 M"),
        (significant, 0.000012, "1.20e−05"),
        (significant, -1234.5, "−1,234"),
        (significant, 12, "12"),
    ],
)
def test_written(write, value, text):
    assert write(value) == text


@pytest.mark.parametrize("write", [bytes_text, duration, milliseconds, ratio, probability, short_count, significant])
@pytest.mark.parametrize("value", [None, math.nan, math.inf, "x", True, {}])
def test_unknown_is_a_dash(write, value):
    assert write(value) == "–"


def test_shares_are_percent_and_their_differences_points():
    scale = scale_for("accuracy", examples=700)
    assert scale.score(0.96123) == "96.1 %"
    assert scale.gain(0.0312) == "+3.1 points"
    assert scale.gain(-0.0004) == "0.0 points"
    assert scale.gain(-0.0149) == "−1.5 points"
    assert scale.interval(Estimate(value=0.03, low=-0.012, high=0.05)) == "[−1.2, 5.0]"
    assert scale_for("f1_macro", examples=10_000).score(0.96123) == "96.12 %"


def test_other_metrics_keep_their_unit_and_four_digits():
    assert scale_for("rmse", reference=48_213.2, unit="USD").score(48_213.2) == "48,213 USD"
    assert scale_for("rmse", reference=2.3471).gain(-0.1) == "−0.100"
    assert scale_for("rmse", reference=2.3, unit="target unit").score(2.3) == "2.300"
    assert scale_for("log_loss", reference=0.1712, unit="nats").score(0.1712) == "0.1712"
    assert scale_for("r2", reference=0.8, unit="USD").score(0.8) == "0.8000"
    assert scale_for("accuracy", unit="USD").score(0.5) == "50.0 %"
    assert not scale_for("rmse").greater_is_better


def test_estimates_are_read_from_records_json_and_numbers():
    record = Estimate(value=0.5, low=0.4, high=0.6, n=9)
    assert estimate(record) == estimate(to_json(record)) == record
    assert estimate({"p50": to_json(record), "p99": 1}) == record
    assert estimate(0.5).n == 0
    assert estimate({"value": None, "n": 3}) is None
    assert estimate("x") is None
    assert number({"p50": 0.25, "p99": 1}) == 0.25
