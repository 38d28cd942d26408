"""What the commands other than `run` do. The command line parses and prints; the work is here."""

import contextlib
import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.errors import BurnishError, UnreadableError, UsageError
from burnish.ledger import Ledger, write_bytes
from burnish.pipeline.recipe import Recipe
from burnish.records import Comparison, Finding, Run, from_json, to_json

if TYPE_CHECKING:
    from burnish.model.inspect import Inspection
    from burnish.pipeline.api import Runs
    from burnish.pipeline.work import Work
    from burnish.plan import Plan

__all__ = [
    "compare_runs",
    "compare_technique",
    "compress",
    "diagnose",
    "evaluate",
    "export",
    "init",
    "inspect_network",
    "learned",
    "report",
    "study",
    "train",
]

Observer = Callable[[dict[str, Any]], None]
# What a zoo network is shown with when no data are given: (inputs, outputs, vocabulary).
SHOWN: dict[str, tuple[tuple[int, ...], int, int]] = {
    "cnn": ((3, 32, 32), 10, 0),
    "resnet": ((3, 32, 32), 10, 0),
    "mlp": ((32,), 2, 0),
    "cnn1d": ((1, 128), 2, 0),
    "textcnn": ((32,), 2, 10_000),
    "transformer": ((32,), 2, 10_000),
}
SHOWN_LARGE, SHOWN_SMALL = ((3, 224, 224), 1000, 0), ((3, 32, 32), 10, 0)  # published networks, of ImageNet and CIFAR
SHOWN_ROWS, FEW_ROWS = 16, 2  # of noise; few of large images


def inspect_network(recipe: Recipe) -> "Inspection":
    """The recipe's network as `inspect` shows it, on its data or, where it is of the zoo, on noise.

    Raises:
        UsageError: neither data nor a name of the zoo is given, or techniques are given without data.
    """
    import torch

    from burnish.model.inspect import examine
    from burnish.model.sources import as_source
    from burnish.pipeline import api
    from burnish.pipeline.checking import checked_plan
    from burnish.techniques import parse

    if recipe.data is not None:
        return api.inspect(checked_plan(recipe).then(*(parse(text) for text in recipe.techniques)))
    if recipe.techniques:
        raise UsageError(
            f"`inspect --with {', '.join(recipe.techniques)}` needs --data too: techniques look at what they are for"
        )
    if recipe.network and ":" not in recipe.network:
        as_source(recipe.network, None)  # an unknown name is said first
    inputs, outputs, vocabulary = _shown(recipe.network or "")
    model = as_source(recipe.network, None).create(inputs, outputs, {"vocabulary": vocabulary})
    drawn = torch.Generator().manual_seed(0)
    example = torch.randn((SHOWN_ROWS if max(inputs) < 224 else FEW_ROWS, *inputs), generator=drawn)
    if vocabulary:
        example = torch.randint(1, vocabulary, example.shape, generator=drawn)
    return examine(model, example)


def _shown(name: str) -> tuple[tuple[int, ...], int, int]:
    """Inputs, outputs and vocabulary that the zoo's network `name` is shown with.

    Raises:
        UsageError: it is not of the zoo.
    """
    from burnish.model.zoo import PUBLISHED, ZOO, form_of

    if name in PUBLISHED:
        return SHOWN_SMALL if form_of(name).small else SHOWN_LARGE
    if name not in SHOWN:
        raise UsageError(
            f"`inspect {name}` needs --data to know the input's shape; only {', '.join(ZOO)} are shown without"
        )
    return SHOWN[name]


def diagnose(
    recipe: Recipe, *, quick: bool = False, out: Path | None = None, observer: Observer | None = None
) -> list[Finding]:
    """What limits the recipe's baseline. `quick` trains nothing; else the pilot runs, in `out` or a temporary one."""
    from burnish.diagnosis.preflight import BugError
    from burnish.pipeline import api
    from burnish.pipeline.main_job import run_stages
    from burnish.techniques import parse

    if quick:
        plan = _readable_plan(recipe).then(*(parse(text) for text in recipe.techniques))
        findings = api.diagnose(plan, quick=True, thresholds=recipe.threshold)
        if out is not None:
            _write_diagnosis(out, recipe, plan, findings)
        return findings
    try:
        with _folder(out) as root:
            found = run_stages(recipe, root, observer or _silent, ("prepare", "preflight", "tune", "pilot", "diagnose"))
            return [from_json(Finding, f) for f in found["diagnosis"]]
    except BugError:  # no training would mean anything; what needs none can still be said, the bug first
        return diagnose(recipe, quick=True, out=out, observer=observer)


def evaluate(path: Path | str, *, split: str | None = None, metric: str | None = None) -> dict[str, Any]:
    """Quality with intervals of saved predictions: of a run directory, or of any table of predictions.

    Args:
        path: A run directory, or a CSV or Parquet file with the columns `burnish.evaluation.saved` describes.
        split: Only this split.
        metric: What models are compared by; the task's own without.

    Raises:
        UsageError: there is no such split, or the metric is none of the task.
        DataError: the table is missing or not understood.
    """
    from burnish.evaluation.saved import evaluate_saved
    from burnish.exporting.package import read_package

    path = Path(path)
    task = read_package(path).task if (path / "model.json").is_file() else None
    return evaluate_saved(path, task=task, split=split, metric=metric)


def _readable_plan(recipe: Recipe) -> "Plan":
    """The recipe's plan; files that cannot be read are left out and found by the diagnosis, not by an error."""
    from burnish.pipeline.checking import check_plan, checked_plan
    from burnish.pipeline.setup import base_plan, load_data

    try:
        return checked_plan(recipe)
    except UnreadableError as error:
        plan = base_plan(recipe, load_data(recipe, without=error.files))
        check_plan(recipe, plan)
        return plan


def _write_diagnosis(out: Path, recipe: Recipe, plan: "Plan", findings: list[Finding]) -> None:
    """A report on a diagnosis without runs; done anew each time, as it takes a minute."""
    from burnish.reporting import write_report

    ledger, data, task = Ledger(out), plan.data, plan.data.task
    with ledger.alone():
        ledger.open({**recipe.to_json(), "diagnosis": "quick", "fingerprint": data.fingerprint})
        told = task.to_json() | {"names": list(task.names), "greater_is_better": task.primary.greater_is_better}
        about = {"command": recipe.command("diagnose") + f" --quick --out {out}", "task": told, "data": data.describe()}
        ledger.put_stage("prepare", {"report": about})
        ledger.put_stage("diagnose", {"report": {"diagnosis": to_json(findings)}})
    write_report(out)


def train(
    recipe: Recipe,
    *,
    seeds: int = 3,
    same_split: bool = False,
    out: Path | None = None,
    observer: Observer | None = None,
) -> list[Run]:
    """Train the recipe's network with its techniques, once per seed, each on its own split or all on the same."""
    from burnish.pipeline.running import check_finished, spec
    from burnish.pipeline.stages.preflight import preflight
    from burnish.pipeline.stages.prepare import prepare
    from burnish.pipeline.stages.tune import tune
    from burnish.pipeline.work import opened
    from burnish.reporting import write_report

    if seeds < 1:
        raise UsageError(f"--seeds must be at least 1, got {seeds}")
    ahead = {"tune": None, "train": seeds}
    with _folder(out) as root, opened(recipe, root, observer or _silent, ahead=ahead) as work:
        for name, stage in (("prepare", prepare), ("preflight", preflight), ("tune", tune)):
            work.ledger.once(name, lambda stage=stage: stage(work))  # type: ignore[misc]
        techniques = _notations(recipe.techniques)
        _tell(work, techniques)
        specs = [
            spec("train", i, base=work.base, techniques=techniques, split=split, seed=recipe.seed + i, keep=True)
            for i, split in enumerate([0] * seeds if same_split else range(seeds))
        ]
        runs = work.runner.run(specs)
        write_report(root)
        check_finished(runs, given_rate=recipe.lr is not None)
        return runs


def _tell(work: "Work", techniques: Sequence[str]) -> None:
    """What techniques have to say before a training, such as which weights were taken over."""
    from burnish.techniques import parse

    plan = work.plan
    for technique in map(parse, techniques):
        for line in getattr(technique, "told", lambda plan: [])(plan):
            work.note(line)
        plan = plan.then(technique)


def compare_runs(before: Path, after: Path) -> Comparison:
    """The paired difference between two directories of `burnish train`, or of `burnish run`.

    Raises:
        UsageError: there are no runs that can be paired.
    """
    from burnish.pipeline import api

    first, second = (_trained(Path(p)) for p in (before, after))
    section = Ledger(before).stage("prepare")
    if not first or not second or section is None:
        raise UsageError(
            f"{before if not first else after} holds no runs that can be paired: neither finished ones of `burnish "
            "train` nor a confirmation of `burnish run`; name two directories made by `burnish train --out`"
        )
    data = section["report"]["data"]
    names = tuple(f"{p}: {', '.join(r[0].techniques) or 'baseline'}" for p, r in ((before, first), (after, second)))
    return api.compare_runs(
        first, second, names=(names[0], names[1]), n_train=data["train"], n_validation=data["validation"]
    )


def _trained(root: Path) -> tuple[Run, ...]:
    """Runs of `train`; of a whole job, the arm that it recommends."""
    ledger = Ledger(root)
    ledger.recipe()  # refuses what is no run directory
    runs = tuple(ledger.runs("train"))
    return runs or tuple(run for run in ledger.runs("confirm") if run.detail.get("name") == "recipe")


def compare_technique(recipe: Recipe, *, out: Path | None = None, observer: Observer | None = None) -> Comparison:
    """The recipe's baseline with its techniques against it without, or with those of `against`.

    A sequential, paired confirmation: the same test that decides what the job ships.

    Raises:
        UsageError: no technique is given, or both sides are the same.
    """
    from burnish.pipeline.running import check_finished
    from burnish.pipeline.stages.confirm import confirmed_pairs, cost_ratio
    from burnish.pipeline.stages.pilot import pilot, score_estimate
    from burnish.pipeline.stages.preflight import preflight
    from burnish.pipeline.stages.prepare import prepare
    from burnish.pipeline.stages.tune import tune
    from burnish.pipeline.work import opened
    from burnish.studies.budget import Budget

    techniques, others = _notations(recipe.techniques), _notations(recipe.against)
    if not techniques:
        raise UsageError("compare needs two run directories, or --with and a technique; see `burnish techniques`")
    if techniques == others:
        raise UsageError(f"both sides are {', '.join(techniques)}: name other techniques after --against")
    ahead = {"tune": None, "pilot": None, "compare": 2 * max(Budget.parse(recipe.budget).looks)}
    with _folder(out) as root, opened(recipe, root, observer or _silent, ahead=ahead) as work:
        for name, stage in (("prepare", prepare), ("preflight", preflight), ("tune", tune), ("pilot", pilot)):
            work.ledger.once(name, lambda stage=stage: stage(work))  # type: ignore[misc]
        _tell(work, techniques)
        pairs, _, decision = confirmed_pairs(work, others, techniques, looks=work.budget.looks, stage="compare")
        bounded = work.data.task.primary.bounded
        done = [p for p in pairs if p[0].status == p[1].status == "done"]
        means = [score_estimate([p[i].score for p in done], bounded=bounded) for i in (0, 1)]
        for arm in zip(*pairs, strict=True):
            check_finished(list(arm), given_rate=recipe.lr is not None)
        if decision.estimate is None or means[0] is None or means[1] is None:
            raise BurnishError(f"only {len(done)} of {len(pairs)} pairs of runs finished; it takes 2 to compare")
        return Comparison(
            before=", ".join(others) or "baseline",
            after=", ".join(techniques),
            metric=work.data.task.primary.name,
            before_score=means[0],
            after_score=means[1],
            difference=decision.estimate,
            verdict=decision.verdict,
            p_value=decision.p_value,
            time_ratio=cost_ratio(pairs, "train_seconds"),
            size_ratio=cost_ratio(pairs, "bytes"),
            pairs=tuple((pair[0].score, pair[1].score) for pair in done),
            note=decision.note,
        )


def study(
    subject: "Recipe | Plan",
    *,
    dry_run: bool = False,
    out: Path | str | None = None,
    observer: Observer | None = None,
    budget: str | None = None,
    only: tuple[str, ...] = (),
    levels: str | None = None,
    vary_lr: bool = False,
) -> dict[str, Any]:
    """Which techniques pay: the experiment without compression, export and test.

    `run` with the same recipe and `out` goes on from there.

    Args:
        subject: A recipe, or a plan from Python, whose factory, data and numbers are used.
        dry_run: Only say what would be run, at what price.
        out: The run directory; a temporary one by default.
        observer: Told what happens.
        budget: Overrides the recipe's.
        only: Techniques the study is limited to, by name or notation; overrides the recipe's.
        levels: `two` or `mixed`; overrides the recipe's.
        vary_lr: Vary the learning rate beside the techniques.

    Returns:
        The content of report.json so far; of a dry run with the design as `forecast`.
    """
    from burnish.pipeline.dry_run import dry_run as plan_ahead
    from burnish.pipeline.main_job import STUDY, run_stages

    recipe = subject if isinstance(subject, Recipe) else Recipe(data=None)
    recipe = replace(
        recipe,
        budget=budget or recipe.budget,
        only=tuple(only) or recipe.only,
        levels=levels or recipe.levels,
        vary_lr=vary_lr or recipe.vary_lr,
    )
    plan = None if isinstance(subject, Recipe) else subject
    with _folder(Path(out) if out else None) as root:
        if dry_run:
            return plan_ahead(recipe, root, observer or _silent, plan=plan)
        return run_stages(recipe, root, observer or _silent, STUDY, plan=plan)


def compress(
    run: "Path | str | Runs",
    *,
    require: str | None = None,
    max_drop: float = 0.01,
    budget: str | None = None,
    criterion: str | None = None,
    ratios: str | None = None,
    schedule: str = "one-shot",
    sparsity: float | None = None,
    plan: "Plan | None" = None,
    out: Path | str | None = None,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Search the finished run in directory `run` for the fastest model within `max_drop` that meets `require`.

    Args:
        run: The run directory; the chosen file is written to compressed.onnx in it, and the report is written again.
            From Python also what `train` returned: its first finished run is compressed.
        require: Size and latency wanted, such as `latency_ms<=2, bytes<=500_000`.
        max_drop: Largest loss a step may cost, as a fraction.
        budget: Time the trainings may take, such as `10m`.
        criterion: Which channels are pruned: `l2`, `l1`, `taylor`, `bn_scale` or `random`; `l2` and `taylor` without.
        ratios: How many of each layer: `uniform`, `global` or `sensitivity`; the first two without.
        schedule: `one-shot`, `iterative` (retrained between three cuts) or `gradual` (silenced while training).
        sparsity: Besides, write sparse.onnx with this share of single weights zero: smaller when zipped, no faster.
        plan: The plan the run was started with, where that was done from Python.
        out: Directory for what is made of trained runs; one beside theirs by default.
        observer: Told what happens.

    Raises:
        RequirementNotMet: nothing does; the message names the nearest miss, and `result` holds the frontier.
        UsageError: the directory holds no finished run, or the plan it was started with is missing.
    """
    from burnish.compression.search import Ways
    from burnish.pipeline.adopting import adopted
    from burnish.pipeline.api import Runs
    from burnish.pipeline.requirement import compress_to
    from burnish.pipeline.work import opened
    from burnish.reporting import write_report
    from burnish.studies.budget import Budget

    Recipe(require=require, max_drop=max_drop)  # refuses what cannot be read before anything is spent
    if sparsity is not None and not 0 < sparsity < 1:
        raise UsageError(f"--sparsity must be between 0 and 1, the share of weights to set to zero, got {sparsity}")
    ways = Ways(criterion=criterion, ratios=ratios, schedule=schedule)
    seconds = Budget.parse(budget).seconds if budget else None
    if budget and seconds is None:
        raise UsageError(f"compress takes a time as its budget, such as 10m, got {budget!r}")
    if isinstance(run, Runs):
        root, recipe, plan = adopted(run, Path(out) if out else None)
    else:
        root = Path(run)
        recipe, plan = recorded_recipe(root), _plan_for(root, plan)
    try:
        with opened(recipe, root, observer or _silent, plan=plan) as work:
            return compress_to(work, require, max_drop, seconds=seconds, ways=ways, sparsity=sparsity)
    finally:
        if Ledger(root).stage("search") is not None:
            write_report(root)


def _plan_for(root: Path, plan: "Plan | None") -> "Plan | None":
    """`plan`, which a directory started from Python cannot do without."""
    from burnish.pipeline.work import HANDED

    handed = Ledger(root).recipe().get(HANDED)
    if plan is None and handed is not None:
        raise UsageError(
            f"{root} was started from Python with a plan for {handed}, which no flag describes; compress it there: "
            f"bu.compress({str(root)!r}, plan=plan)"
        )
    return plan


def export(run: Path | str | dict[str, Any], path: Path | str) -> dict[str, Any]:
    """Copy the verified model of directory `run` to `path`, with its model.json beside it.

    Args:
        run: A run directory, or what `compress` returned: then the compressed model.
        path: The ONNX file to write.

    Raises:
        UsageError: the run has not exported a model yet, or `path` cannot be an ONNX file.
    """
    target = Path(path)
    if target.is_dir() or target.suffix == ".json":
        raise UsageError(f"{target} cannot be the ONNX file; give a path that ends in .onnx")
    if isinstance(run, dict):
        source = Path(run["path"])
        write_bytes(target, source.read_bytes())
        write_bytes(target.with_suffix(".json"), source.with_suffix(".json").read_bytes())
        return {"path": str(target), "step": run["chosen"], "bytes": target.stat().st_size}
    root = Path(run)
    Ledger(root).recipe()  # refuses what is no run directory
    stage = Ledger(root).stage("export")
    if stage is None or not (root / "model.onnx").exists():
        raise UsageError(f"{root} has no exported model; finish it with `burnish run --out {root}`")
    write_bytes(target, (root / "model.onnx").read_bytes())
    write_bytes(target.with_suffix(".json"), (root / "model.json").read_bytes())
    return stage["report"]["export"] | {"path": str(target)}


def report(run: Path | str) -> Path:
    """Write report.html, report.json and report.md of a run directory again from its ledger."""
    from burnish.reporting import write_report

    return write_report(Path(run))


def learned(paths: Sequence[Path | str], *, technique: str | None = None) -> dict[str, Any]:
    """What finished jobs teach: P(technique helps | finding).

    Args:
        paths: Run directories, or folders that hold some.
        technique: Only this one.

    Returns:
        `jobs`, the number of records, and `rows` as `burnish.studies.outcomes.pooled` gives them.

    Raises:
        UsageError: there is no finished job below the paths.
    """
    from burnish.studies.outcomes import pooled

    files = sorted({file.resolve() for path in paths for file in Path(path).glob("**/ledger/outcomes.json")})
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if not records:
        shown = ", ".join(map(str, paths))
        raise UsageError(f"no finished job lies below {shown}; name a folder with directories of `burnish run`")
    rows = [row for row in pooled(records) if technique in (None, row["technique"])]
    return {"jobs": len(records), "rows": rows}


def init(folder: Path | str = ".") -> str:
    """A commented recipe for what lies in `folder`."""
    here = Path(folder)
    data = _guess_data(here)
    lines = [
        "# A recipe for `burnish run recipe.yaml`. Keys are the names of the command line's flags.",
        f"data: {data or 'digits'}" + ("" if data else "          # no data found here: the embedded digits"),
    ]
    network = _guess_network(here)
    lines.append(f"network: {network}" if network else "# network: net.py:make_net   # default: one for the modality")
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    notes = {
        "target": "column to predict; label, target, class or y are found",
        "metric": "what decisions are made on",
        "epochs": "chosen by the pilot",
        "lr": "chosen by a range test",
        "batch_size": "by the number of rows",
        "group": "column whose values must not be split",
        "time": "column to split by time",
        "target_score": "the score that would be good enough",
    }
    lines += [f"# {key}:   # {note}" for key, note in notes.items()]
    lines += [f"{key}: {defaults[key]}" for key in ("budget", "min_gain", "max_drop", "seed")]
    return "\n".join(lines) + "\n"


def recorded_recipe(root: Path) -> Recipe:
    """The recipe that directory `root` was started with."""
    known = {field.name for field in dataclasses.fields(Recipe)}
    return Recipe.from_mapping({k: v for k, v in Ledger(root).recipe().items() if k in known})


def _notations(texts: tuple[str, ...]) -> list[str]:
    from burnish.techniques import parse

    return [repr(parse(text)) for text in texts]


def _guess_data(here: Path) -> str | None:
    folders = [p for p in sorted(here.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    if any(p.name == "train" for p in folders):
        return str(here)
    files = sorted(p for p in here.iterdir() if p.suffix in (".csv", ".parquet", ".npz"))
    if any(p.stem == "train" for p in files):
        return str(here)
    if files:
        return str(files[0])
    images = (".png", ".jpg", ".jpeg", ".webp")
    for folder in folders:
        classes = [p for p in folder.iterdir() if p.is_dir()]
        if len(classes) > 1 and all(any(f.suffix.lower() in images for f in c.iterdir()) for c in classes):
            return str(folder)
    return None


def _guess_network(here: Path) -> str | None:
    """The first function of a Python file here that looks as if it made a network."""
    import ast

    for file in sorted(here.glob("*.py")):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any(w in node.name for w in ("net", "model", "make", "build")):
                return f"{file.name}:{node.name}"
            if isinstance(node, ast.ClassDef) and any(ast.unparse(b).endswith("Module") for b in node.bases):
                return f"{file.name}:{node.name}"
    return None


@contextlib.contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    """A directory that stays when it was named, and goes when it is ours."""
    path = out if out is not None else Path(tempfile.mkdtemp(prefix="burnish-"))
    try:
        yield path
    finally:
        if out is None:
            shutil.rmtree(path, ignore_errors=True)


def _silent(event: dict[str, Any]) -> None:
    """Observer of those who want none."""
