"""Run directories as a finished job leaves them, for looking at and for tests; seeded, so always the same."""

import copy
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from burnish.evaluation.learning_curve import learning_curve
from burnish.evaluation.robustness import Errors, robustness
from burnish.ledger import Ledger, write_text
from burnish.metrics import metric
from burnish.records import CompressionStep, Cost, Effect, Estimate, Finding, Run, Verdict, dumps, to_json
from burnish.reporting import build_report

HOSTILE = "<script>alert('x')</script>"
DIGITS = tuple("0123456789")
RECIPE = ["BatchNorm()", "Augment(strength='standard', flip=False)", "LabelSmoothing(alpha=0.1)"]
FACTORS = [
    *RECIPE,
    "Dropout(rate=0.2)",
    "Mixup(alpha=0.2)",
    "Activation(name='gelu')",
    "WeightDecay(value=0.05)",
    "Schedule(kind='cosine', warmup=0.05)",
    "SAM(rho=0.05)",
    "GradientClip(value=1.0)",
]


def est(value: float, half: float | None, n: int, of: str = "examples", level: float = 0.95, unit: str = "fraction"):
    low, high = (None, None) if half is None else (value - half, value + half)
    return Estimate(value=value, low=low, high=high, n=n, of=of, level=level, unit=unit)


def gains(unit: str = "fraction", size: float = 1.0) -> list[Effect]:
    """A typical screen: one clear help, one clear harm, most unclear."""
    table = [
        # at recipe, its half width, at baseline, P, time, size, word, in recipe
        (0.021, 0.012, 0.016, 0.998, 1.18, 1.01, "helps", True),
        (0.009, 0.013, 0.011, 0.87, 1.34, 1.0, "part of a bundle that helps", True),
        (0.004, 0.012, 0.002, 0.71, 1.0, 1.0, "part of a bundle that helps", True),
        (-0.003, 0.011, 0.004, 0.33, 1.04, 1.0, "unclear", False),
        (0.001, 0.013, 0.003, 0.55, 1.06, 1.0, "unclear", False),
        (0.0, 0.012, -0.001, 0.49, 1.02, 1.0, "unclear", False),
        (-0.002, 0.012, 0.001, 0.39, 1.0, 1.0, "unclear", False),
        (0.003, 0.012, 0.005, 0.66, 1.0, 1.0, "unclear", False),
        (-0.006, 0.013, 0.002, 0.22, 1.97, 1.0, "unclear", False),
        (-0.019, 0.012, -0.011, 0.006, 1.01, 1.0, "hurts", False),
    ]
    return [
        Effect(
            technique=name,
            at_recipe=est(a * size, h * size, 19, "splits", 0.9, unit),
            at_baseline=est(b * size, h * size * 1.25, 19, "splits", 0.9, unit),
            p_helps=p,
            time_ratio=t,
            size_ratio=s,
            word=word,
            in_recipe=inside,
            flags=("shares its column with BatchNorm×SAM",) if name.startswith("Schedule") else (),
            contrast=est(b * size, h * size, 12, "splits", 0.9, unit),
            contrast_se=h * size / 2,
            q_value=min(1.0, 4 * (1 - max(p, 1 - p))),
        )
        for name, (a, h, b, p, t, s, word, inside) in zip(FACTORS, table, strict=True)
    ]


def elsewhere() -> dict[str, Any]:
    """The same screen on another metric and on a cost."""

    def section(metric: str, level: float | None, unit: str, at: float, half: float) -> dict[str, Any]:
        rows = [
            Effect(
                technique=name,
                factor=name,
                at_recipe=est(at if i == 0 else 1.0 if unit == "ratio" else 0.0, half, 19, "splits", 0.9, unit),
                at_baseline=est(at, half, 19, "splits", 0.9, unit),
                p_helps=0.99 if i == 0 else 0.5,
                time_ratio=None,
                size_ratio=None,
                word="helps" if i == 0 else "unclear",
                in_recipe=i < len(RECIPE),
            )
            for i, name in enumerate(FACTORS)
        ]
        better = False
        return {"metric": metric, "greater_is_better": better, "n": 19, "level": level, "sigma": 0.1, "effects": rows}

    return {
        "log_loss": section("log_loss", 0.21, "target unit", 0.052, 0.02),
        "train_seconds": section("train_seconds", None, "ratio", 0.8, 0.1),
    }


def forecast() -> dict[str, Any]:
    """What was printed before the screen ran."""
    rows = [
        {
            "technique": name,
            "factor": name,
            "nuisance": False,
            "smallest_effect": 1.64,
            "standard_error": 0.577,
            "leak": 1 / 3,
            "leaks_from": [FACTORS[1], FACTORS[2]],
        }
        for name in FACTORS
    ]
    shape = {"rows": [[0] * len(FACTORS)] * 12, "blocks": [0] * 12, "order": list(range(12))}
    return {"name": "Plackett-Burman 12", "runs": 12, "factors": rows, "power": 0.8, "alpha": 0.1, **shape}


def findings() -> list[Finding]:
    def finding(rule: str, title: str, state: str, measured: float | None, limit: float, evidence: str, *remedies: str):
        return Finding(
            rule=rule,
            title=title,
            state=state,
            measured=measured,
            threshold=limit,
            evidence=evidence,
            remedies=remedies,
            source="heuristic",
            cost_seconds=0.4,
        )

    return [
        finding(
            "R6",
            "Overfitting",
            "fires",
            0.047,
            0.02,
            "Training accuracy is 99.8 % and validation accuracy 95.1 %: a gap of 4.7 points, 2 standard errors are "
            "1.6 points (n = 700).",
            "Augment",
            "Mixup",
            "LabelSmoothing",
            "Dropout",
            "EarlyStopping",
        ),
        finding(
            "R8",
            "Too little data",
            "fires",
            0.011,
            0.008,
            "A power law through n = 50, 100, 200, 400 forecasts 1.1 points [0.3, 2.0] more from twice the data.",
            "Transfer",
            "Augment",
            "collect more data",
        ),
        finding("R5", "Underfitting", "clear", 0.002, 0.05, "Training accuracy is 99.8 %."),
        finding("R15", "Dead units", "clear", 0.031, 0.1, "3.1 % of 432 units are zero on 400 examples."),
        finding("R17", "Miscalibration", "clear", 0.012, 0.02, "Debiased calibration error 1.2 % [0.2, 2.1]."),
        finding("R11", "Label noise", "cannot tell", None, 0.02, "400 training rows are too few for the estimate."),
    ]


def curve(epochs: int, end: float, loss_end: float, metric: str, seed: int) -> list[dict[str, float]]:
    noise = np.random.default_rng(seed)
    rows = []
    for epoch in range(1, epochs + 1):
        left = np.exp(-epoch / 4.0)
        rows.append(
            {
                "epoch": epoch,
                "train_loss": float(0.012 + 2.2 * left + 0.004 * noise.random()),
                "loss": float(loss_end + 2.0 * left + 0.012 * noise.random()),
                metric: float(end - (end - 0.1) * left + 0.004 * noise.standard_normal()),
            }
        )
    return rows


def class_rows(names: tuple[str, ...], level: float, seed: int) -> list[dict[str, Any]]:
    noise = np.random.default_rng(seed)
    rows = []
    for name in names:
        f1 = float(min(0.999, level + 0.02 * noise.standard_normal()))
        entry = {"name": name, "support": int(65 + noise.integers(10))}
        for key, shift in (("precision", 0.004), ("recall", -0.004), ("f1", 0.0)):
            value = min(1.0, f1 + shift)
            entry[key] = Estimate(value=value, low=value - 0.035, high=min(1.0, value + 0.022), n=entry["support"])
        rows.append(entry)
    return rows


def confusion(size: int, level: float, seed: int) -> list[list[int]]:
    noise = np.random.default_rng(seed)
    matrix = noise.poisson((1 - level) * 70 / max(size - 1, 1), (size, size)) * (noise.random((size, size)) < 0.5)
    np.fill_diagonal(matrix, 66)
    matrix[min(8, size - 1)][1] = max(1, round((1 - level) * 70))
    return matrix.tolist()


def run(index: int, stage: str, score: float, metric: str = "accuracy", **more: Any) -> Run:
    fields: dict[str, Any] = {
        "id": f"{stage}-{index:02d}-{(index * 2654435761) % 16**8:08x}",
        "stage": stage,
        "techniques": (),
        "seed": 100 + index,
        "split": index,
        "status": "done",
        "primary": metric,
        "scores": {metric: score},
        "train_scores": {metric: min(1.0, score + 0.04)},
        "cost": Cost(parameters=19_114, bytes=78_900, operations=412_000, train_seconds=3.1 + 0.1 * (index % 7)),
        "epochs": 20,
    }
    return Run(**{**fields, **more})


def put_runs(ledger: Ledger, runs: list[Run]) -> None:
    for item in runs:
        ledger.finish_run(ledger.new_run(item.id), item)


def put(ledger: Ledger, stage: str, seconds: float, **report: Any) -> None:
    ledger.once(stage, lambda: {"report": to_json(report), "private": 1})
    write_text(ledger.path / "seconds.json", dumps(ledger.seconds() | {stage: seconds}))


def prepare(ledger: Ledger, task: dict[str, Any], data: dict[str, Any]) -> None:
    environment = {
        "python": "3.11.9",
        "torch": "2.13.0",
        "numpy": "2.3.1",
        "onnxruntime": "1.32.0",
        "platform": "Linux x86_64",
        "processor": "AVX2, no VNNI",
        "cores": 8,
        "threads": 1,
        "workers": 8,
        "burnish": "0.1.0",
    }
    put(
        ledger,
        "prepare",
        1.2,
        environment=environment,
        recipe=ledger.recipe(),
        command="burnish run --data digits --out runs/demo",
        task=task,
        data=data,
    )


def digits_start(root: Path, classes: tuple[str, ...] = DIGITS) -> Ledger:
    ledger = Ledger(root)
    ledger.open(
        {
            "network": None,
            "data": "digits",
            "seed": 0,
            "budget": "standard",
            "min_gain": 0.005,
            "require": "latency_ms<=0.08, bytes<=40_000",
        }
    )
    task = {"kind": "classification", "classes": list(classes), "metric": "accuracy", "greater_is_better": True}
    data = {
        "name": "digits",
        "modality": "image",
        "train": 400,
        "validation": 700,
        "test": 697,
        "input_shape": [1, 8, 8],
        "scheme": "resample",
        "notes": ["400 of 1797 images are for training, so that there is something to gain"],
        "fingerprint": "5a1d2c9be0f34711",
    }
    prepare(ledger, task, data)
    put(ledger, "preflight", 0.8, diagnosis=None)
    return ledger


def digits_baseline(ledger: Ledger) -> None:
    layers = [
        {"path": "0", "type": "Conv2d", "output_shape": [16, 8, 8], "parameters": 160, "operations": 9216},
        {"path": "1", "type": "ReLU", "output_shape": [16, 8, 8], "parameters": 0, "operations": 0},
        {"path": "3", "type": "Conv2d", "output_shape": [32, 4, 4], "parameters": 4640, "operations": 73728},
        {"path": "head", "type": "Linear", "output_shape": [10], "parameters": 1290, "operations": 1280},
    ]
    put(ledger, "tune", 14.0)
    put(
        ledger,
        "pilot",
        12.5,
        baseline={
            "name": "baseline",
            "network": "cnn",
            "source": "burnish.model.zoo:cnn",
            "trained": False,
            "parameters": 19_114,
            "operations": 412_000,
            "bytes": 78_900,
            "recipe": {"epochs": 20, "batch_size": 64, "optimizer": "adamw", "lr": 0.003, "schedule": "constant"},
            "score": est(0.9507, 0.0096, 4, "splits"),
            "sigma": 0.0061,
            "tuned": [
                {"lr": 0.0003, "score": 0.921, "best_epoch": 20},
                {"lr": 0.001, "score": 0.944, "best_epoch": 20},
                {"lr": 0.003, "score": 0.953, "best_epoch": 18},
                {"lr": 0.01, "score": 0.938, "best_epoch": 12},
            ],
            "smallest_detectable_gain": 0.0091,
            "train_seconds": 3.1,
            "layers": layers,
            "untouched": None,
        },
    )
    put_runs(ledger, [run(i, "pilot", s) for i, s in enumerate((0.9471, 0.9557, 0.9443, 0.9557))])


def digits_search(ledger: Ledger) -> None:
    put(ledger, "diagnose", 6.1, diagnosis=findings())
    gate = [
        {"technique": "", "score": 0.951, "collapsed": False, "word": "stable"},
        {"technique": "BatchNorm()", "score": 0.966, "collapsed": False, "word": "stable"},
        {"technique": "GroupNorm(groups=16)", "score": 0.958, "collapsed": False, "word": "stable"},
        {"technique": "Activation(name='gelu')", "score": 0.1014, "collapsed": True, "word": "collapses to chance"},
    ]
    put(ledger, "gate", 9.0, gate={"runs": gate, "chosen": "as is", "note": "The baseline is stable."})
    noise = np.random.default_rng(3)
    rows = []
    for i in range(12):
        on = [f for f in FACTORS if noise.random() < 0.5]
        score = float(0.955 + 0.012 * (RECIPE[0] in on) + 0.006 * noise.standard_normal())
        rows.append({"techniques": on, "score": score, "seconds": 3.4 + float(noise.random()), "split": 10 + i // 2})
    put_runs(
        ledger,
        [run(i, "screen", r["score"], techniques=tuple(r["techniques"]), split=r["split"]) for i, r in enumerate(rows)],
    )
    failed = run(12, "screen", 0.0, status="diverged", scores={}, train_scores={}, error="loss became NaN in epoch 3")
    put_runs(ledger, [failed])
    put(ledger, "screen", 47.0)
    put(
        ledger,
        "analyse",
        1.0,
        screening={
            "runs": 12,
            "sigma": 0.0058,
            "metric": "accuracy",
            "factors": FACTORS,
            "design": "Plackett-Burman 12",
            "effects": gains(),
            "metrics": elsewhere(),
            "forecast": forecast(),
            "nuisance": ["LearningRate(factor=3.0)"],
            "collapsed": [{"run": "screen-07", "techniques": FACTORS[5:7], "score": 0.104}],
            "not_tried": [{"technique": "CutMix(alpha=1.0)", "reason": "images of 8x8 are too small to cut"}],
            "note": "One run collapsed and was clipped; average effects are not shown.",
            "rows": rows,
        },
    )
    table = [("argmax", RECIPE, 0.0), ("pruned", RECIPE[:2], -0.004), ("best observed", FACTORS[:5], -0.006)]
    table.append(("far", [FACTORS[0], FACTORS[7]], -0.011))
    entries = [
        {
            "name": name,
            "techniques": t,
            "scores": [0.9714 + d, 0.9786 + d, 0.9729 + d],
            "mean": 0.9743 + d,
            "rank": i + 1,
        }
        for i, (name, t, d) in enumerate(table)
    ]
    base = {"name": "baseline", "techniques": [], "scores": [0.9486, 0.9571, 0.95], "mean": 0.9519, "rank": 5}
    put(ledger, "candidates", 57.0, candidates=[*entries, base])


def digits_confirm(ledger: Ledger, gain: float = 0.0211, verdict: str = "CONFIRMED") -> None:
    before = [0.9457, 0.9571, 0.95, 0.9543, 0.9486]
    after = [b + gain + d for b, d in zip(before, (0.003, -0.004, 0.002, 0.0015, -0.0025), strict=True)]
    looks = [
        {"n": 3, "estimate": est(gain + 0.0003, 0.0141, 3, "splits"), "p": 0.021},
        {"n": 5, "estimate": est(gain, 0.0072, 5, "splits"), "p": 0.0009 if verdict == "CONFIRMED" else 0.31},
    ]
    arms = [
        {"name": "baseline", "plan": [], "scores": before},
        {"name": "recipe", "plan": RECIPE, "scores": after},
    ]
    secondary = {
        "f1_macro": {"before": 0.9508, "after": 0.9508 + gain, "gain": est(gain, 0.0074, 5, "splits")},
        "log_loss": {"before": 0.1712, "after": 0.1404, "gain": est(0.0308, 0.0121, 5, "splits")},
        "ece": {"before": 0.012, "after": 0.041, "gain": est(-0.029, 0.008, 5, "splits")},
    }
    put(
        ledger,
        "confirm",
        61.0,
        confirmation={
            "arms": arms,
            "splits": [201, 202, 203, 204, 205],
            "difference": looks[-1]["estimate"],
            "verdict": verdict,
            "p_value": looks[-1]["p"],
            "looks": looks,
            "time_ratio": 1.52,
            "size_ratio": 1.01,
            "metric": "accuracy",
            "note": "Corrected resampled t (Nadeau and Bengio 2003).",
            "secondary": secondary,
        },
    )
    put_runs(ledger, [run(i, "confirm", s, detail={"name": "baseline"}) for i, s in enumerate(before)])
    put_runs(ledger, [run(i + 10, "confirm", s, techniques=tuple(RECIPE)) for i, s in enumerate(after)])


def ladder() -> list[CompressionStep]:
    def step(name: str, gain: float, ms: float, size: int, ok: bool, reason: str, parameters: int) -> CompressionStep:
        return CompressionStep(
            step=name,
            metric=est(gain, 0.0048, 700),
            score=0.9743 + gain,
            latency_ms=Estimate(value=ms, low=ms * 0.96, high=ms * 1.07, n=200, unit="ms"),
            bytes=size,
            accepted=ok,
            reason=reason,
            parameters=parameters,
            operations=parameters * 21,
            latency_ratio=ms / 0.112,
            file=f"{name}.onnx",
            lower_bound=gain - 0.0041,
        )

    return [
        step("fold batch norm", 0.0, 0.098, 77_400, True, "same function", 18_986),
        step("prune 25 %, distilled", -0.0014, 0.081, 45_200, True, "within the bound", 10_902),
        step("prune 50 %, distilled", -0.0129, 0.066, 22_100, False, "lower bound −1.7 points", 5_214),
        step("int8, static", -0.0029, 0.059, 24_900, True, "within the bound", 10_902),
    ]


def frontier(baseline: float = 0.9507) -> list[dict[str, Any]]:
    start = {"step": "baseline", "score": baseline, "latency_ms": 0.091, "bytes": 78_900}
    first = {"step": "as trained", "score": 0.9743, "latency_ms": 0.112, "bytes": 80_100}
    rows = [{**start, "accepted": True, "on_frontier": False}, {**first, "accepted": True, "on_frontier": False}]
    for item in ladder():
        rows.append(
            {
                "step": item.step,
                "score": item.score,
                "latency_ms": item.latency_ms,
                "bytes": item.bytes,
                "accepted": item.accepted,
                "on_frontier": item.accepted,
            }
        )
    return rows


def digits_finish(ledger: Ledger, classes: tuple[str, ...] = DIGITS) -> None:
    def side(level: float, seed: int) -> dict[str, Any]:
        metrics = {
            "accuracy": est(level, 0.0142, 700),
            "f1_macro": est(level - 0.0005, 0.0146, 700),
            "log_loss": est(0.42 - 0.28 * level, 0.041, 700),
            "ece": est(0.02, 0.009, 700),
        }
        return {
            "metrics": metrics,
            "per_class": class_rows(classes, level, seed),
            "confusion": confusion(len(classes), level, seed),
            "reliability": [
                {"confidence": 0.5 + 0.05 * i, "rate": est(min(0.48 + 0.052 * i, 0.99), 0.06, 70)} for i in range(10)
            ],
        }

    readouts = [
        {"technique": "EMA(decay=0.99)", "gain": est(0.0014, 0.004, 700), "accepted": False, "reason": "unclear"},
        {
            "technique": "TemperatureScaling()",
            "gain": est(0.0, 0.0, 700),
            "accepted": True,
            "reason": "log loss 0.140 to 0.093, same answers",
        },
    ]
    general = {
        "train": est(0.994, 0.006, 400),
        "validation": est(0.9743, 0.0118, 700),
        "test": est(0.9742, 0.0118, 697),
        "gap": est(0.0197, 0.0131, 700),
    }
    put(
        ledger,
        "finish",
        8.0,
        readouts=readouts,
        shipped=RECIPE,
        curves={"baseline": curve(20, 0.951, 0.17, "accuracy", 1), "winner": curve(20, 0.974, 0.14, "accuracy", 2)},
        quality={
            "before": side(0.9514, 5),
            "after": side(0.9743, 6),
            "split": "validation",
            "generalization": general,
        },
    )
    put(ledger, "ensemble", 0.1, ensemble={"skipped": "not asked for; five members would take 1 min 20 s"})
    put(
        ledger,
        "compress",
        41.0,
        compression=ladder(),
        frontier=frontier(),
        smallest_resolvable_drop=0.0068,
        max_drop=0.01,
    )
    put(
        ledger,
        "export",
        3.0,
        export={
            "path": "model.onnx",
            "format": "onnx int8",
            "max_abs_difference": 3.1e-6,
            "agreement": 1.0,
            "opset": 20,
            "bytes": 24_900,
            "latency_ms": {"1": {"p50": 0.059, "p99": 0.081}, "32": {"p50": 0.74, "p99": 0.93}},
            "baseline_latency_ms": {"1": {"p50": 0.091, "p99": 0.124}, "32": {"p50": 1.31, "p99": 1.6}},
        },
    )


def digits_traits(ledger: Ledger) -> None:
    noise = np.random.default_rng(8)
    names, severities = ("gaussian noise", "defocus blur", "contrast"), (1, 2, 3, 4, 5)

    def mistakes(rate: float) -> Errors:
        chance = rate * (1 + np.arange(5))[None, :, None] * np.array([1, 2, 3])[:, None, None]
        values = (noise.random((3, 5, 300)) < chance).astype(float)
        clean = (noise.random(300) < rate).astype(float)
        return Errors(names=names, severities=severities, clean=clean, values=values, root=False)

    before, after = mistakes(0.05), mistakes(0.03)
    sizes = [37, 75, 150, 300]
    scores = [[1 - (1.2 * n**-0.6 + 0.01) + 0.004 * noise.standard_normal() for _ in range(2)] for n in sizes]
    slices = [
        {"name": "8", "kind": "class", "n": 68, "error": est(0.132, 0.08, 68), "rest": 0.02, "p_value": 2e-5}
        | {"q_value": 0.0004, "weak": True},
        {"name": "brightness from 5.1 to 6", "kind": "number", "n": 140, "error": est(0.04, 0.03, 140), "rest": 0.024}
        | {"p_value": 0.2, "q_value": 0.6, "weak": False},
    ]
    shared = {"parameters": 19_114, "operations": 412_000, "latency_ms": {"1": {"p50": est(0.059, 0.002, 400)}}}
    speed = {"examples_per_second": 2900.0, "train_seconds": 2.1, "throughput": 43_000.0, "peak_memory": 3_100_000}
    put(
        ledger,
        "traits",
        6.0,
        robustness={
            "what": "share of mistakes",
            "modality": "image",
            "baseline": to_json(robustness(before, resamples=50)),
            "shipped": to_json(robustness(after, before, resamples=50)),
        },
        segments={"looked_at": 20, "overall": 0.027, "rate": 0.05, "worst": slices},
        learning_curve=to_json(learning_curve(metric("accuracy"), sizes, scores, resamples=50)),
        speed={
            "batch": 32,
            "baseline_best": 0.953,
            "baseline": {**shared, **speed, "seconds_to_baseline": 1.9, "bytes": 78_900},
            "shipped": {**shared, **speed, "seconds_to_baseline": None, "bytes": 24_900},
        },
        stability={
            "baseline": {"n": 9, "deviation": est(0.006, 0.003, 9, "splits"), "least": 0.944, "most": 0.957},
            "shipped": {"n": 2, "deviation": None, "least": None, "most": None},
        },
    )


def digits_verdict(ledger: Ledger) -> None:
    put(
        ledger,
        "test",
        0.9,
        test={
            "openings": 1,
            "n": 697,
            "metric": "accuracy",
            "before": est(0.9527, 0.0157, 697),
            "after": est(0.9742, 0.0118, 697),
            "difference": est(0.0215, 0.0129, 697),
            "shipped": est(0.9713, 0.0124, 697),
            "metrics": {
                "before": {"accuracy": est(0.9527, 0.0157, 697), "log_loss": est(0.158, 0.05, 697)},
                "after": {"accuracy": est(0.9742, 0.0118, 697), "log_loss": est(0.139, 0.03, 697)},
            },
        },
    )
    said = Verdict(
        case="still_poor",
        text="The recipe gains 2.1 points on fresh splits and the same on the sealed test set. What is left is mostly "
        "a lack of data: twice the training rows would bring about 1.1 points.",
        next=("burnish predict runs/demo scan.png", "burnish compress runs/demo --require 'bytes<=20_000'"),
        evidence=(
            "confirmed on 5 fresh splits, +2.1 points [1.4, 2.8]",
            "int8 on this processor costs 0.3 points [-0.2, 0.8]",
        ),
    )
    headline = "Accuracy 95.1 % to 97.2 % on fresh splits; the file is 0.32 times the size and 0.65 times the latency"
    put(ledger, "verdict", 0.1, verdict={**to_json(said), "headline": headline}, reproduce=reproduce())


def reproduce() -> dict[str, Any]:
    return {
        "command": "burnish run --data digits --seed 0 --budget standard --out runs/demo",
        "python": "import burnish as bu\nbu.run(data='digits', seed=0, budget='standard')",
        "seed": 0,
        "plan_key": "9f0c1b7d22aa4e01",
        "fingerprint": "5a1d2c9be0f34711",
    }


def classification(root: Path, classes: tuple[str, ...] = DIGITS) -> Ledger:
    """A confirmed gain, compressed and exported."""
    ledger = digits_start(root, classes)
    digits_baseline(ledger)
    digits_search(ledger)
    digits_confirm(ledger)
    digits_finish(ledger, classes)
    digits_traits(ledger)
    digits_verdict(ledger)
    return ledger


def unfinished(root: Path) -> Ledger:
    """Interrupted after the screen."""
    ledger = digits_start(root)
    digits_baseline(ledger)
    digits_search(ledger)
    return ledger


def nothing_to_gain(root: Path) -> Ledger:
    """No candidate beat the baseline: no confirmation, the baseline ships."""
    ledger = digits_start(root)
    digits_baseline(ledger)
    digits_search(ledger)
    none = {
        "arms": [],
        "splits": [],
        "difference": None,
        "verdict": "NOTHING_TO_GAIN",
        "note": "no candidate beat the baseline on the fresh splits of the re-run",
    }
    put(ledger, "confirm", 0.0, confirmation=none)
    readouts = [
        {"technique": "EMA(decay=0.99)", "gain": est(-0.001, 0.004, 700), "accepted": False, "reason": "unclear"}
    ]
    put(ledger, "finish", 3.0, readouts=readouts)
    skipped = {"skipped": "not asked for"}
    put(ledger, "compress", 0.0, compression=skipped, frontier=skipped)
    said = Verdict(case="no_gain", text="Too little data is to blame, not the structure.", next=("collect more data",))
    headline = {"word": "NOTHING_TO_GAIN", "metric": "accuracy", "ships": []}
    put(ledger, "verdict", 0.1, verdict={**to_json(said), "headline": headline}, reproduce=reproduce())
    return ledger


def regression(root: Path) -> Ledger:
    """Prices in dollars: root mean squared error, smaller is better, no classes."""
    ledger = Ledger(root)
    ledger.open({"network": "mlp", "data": "houses.csv", "seed": 1, "min_gain": 0.005})
    task = {"kind": "regression", "columns": ["price"], "metric": "rmse", "greater_is_better": False}
    data = {"name": "houses.csv", "modality": "table", "train": 8000, "validation": 2000, "test": 2500}
    prepare(ledger, task, {**data, "input_shape": [23], "scheme": "fixed", "notes": [], "fingerprint": "77aa"})
    unit = "USD"
    put(
        ledger,
        "pilot",
        40.0,
        baseline={
            "name": "baseline",
            "network": "mlp",
            "source": "burnish.model.zoo:mlp",
            "trained": False,
            "parameters": 25_601,
            "operations": 25_344,
            "bytes": 102_404,
            "recipe": {"epochs": 40, "batch_size": 128, "optimizer": "adamw", "lr": 0.001},
            "score": est(48_213.0, 610.0, 4, "splits", unit=unit),
            "sigma": 402.0,
            "tuned": [],
            "smallest_detectable_gain": 590.0,
            "train_seconds": 9.2,
            "layers": [],
            "untouched": None,
        },
    )
    put_runs(ledger, [run(i, "pilot", s, "rmse") for i, s in enumerate((48_410.0, 47_900.0, 48_690.0, 47_850.0))])
    put(ledger, "diagnose", 5.0, diagnosis=[to_json(f) for f in findings()[2:]])
    screening = {"runs": 12, "sigma": 395.0, "metric": "rmse", "factors": FACTORS, "design": "Plackett-Burman 12"}
    put(ledger, "screen", 160.0)
    put(ledger, "analyse", 0.4, screening={**screening, "effects": gains(unit, 50_000.0), "collapsed": []})
    before, after = [48_300.0, 47_950.0, 48_520.0], [46_900.0, 46_800.0, 46_650.0]
    difference = est(1473.0, 870.0, 3, "splits", unit=unit)
    arms = [{"name": "baseline", "plan": [], "scores": before}, {"name": "recipe", "plan": RECIPE[:1], "scores": after}]
    put(
        ledger,
        "confirm",
        80.0,
        confirmation={
            "arms": arms,
            "splits": [31, 32, 33],
            "difference": difference,
            "verdict": "CONFIRMED",
            "p_value": 0.012,
            "looks": [{"n": 3, "estimate": difference, "p": 0.012}],
            "time_ratio": 1.1,
            "size_ratio": 1.0,
            "metric": "rmse",
            "note": "",
            "secondary": {"r2": {"before": 0.811, "after": 0.824, "gain": est(0.013, 0.008, 3, "splits")}},
        },
    )
    sides = {
        arm: {
            "metrics": {
                "rmse": est(v, 900.0, 2000, unit=unit),
                "mae": est(v * 0.7, 500.0, 2000),
                "r2": est(r, 0.01, 2000),
            }
        }
        for arm, v, r in (("before", 48_100.0, 0.812), ("after", 46_700.0, 0.825))
    }
    put(ledger, "finish", 9.0, quality={**sides, "split": "validation"}, readouts=[])
    said = Verdict(case="still_poor", text="The recipe lowers the error.")
    put(ledger, "verdict", 0.1, verdict=said, reproduce=reproduce())
    return ledger


KINDS = {
    "classification": classification,
    "regression": regression,
    "nothing_to_gain": nothing_to_gain,
    "unfinished": unfinished,
}


def report(kind: str) -> dict[str, Any]:
    """The report of one of `KINDS`; the directory is made once."""
    return copy.deepcopy(_report(kind))


@cache
def _report(kind: str) -> dict[str, Any]:
    with TemporaryDirectory() as root:
        return build_report(KINDS[kind](Path(root)))
