"""Burnish makes an existing neural network more accurate, smaller and faster, with evidence for every step.

import burnish as bu
from burnish.techniques import LabelSmoothing

base = bu.Plan(model=make_net, data=bu.load("photos/"), epochs=20)
print(bu.compare(bu.train(base), bu.train(base.then(LabelSmoothing(alpha=0.1)))))
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Data": "burnish.data",
    "Plan": "burnish.plan",
    "Recipe": "burnish.pipeline.recipe",
    "batch_to_group_norm": "burnish.techniques.group_norm",
    "compare": "burnish.pipeline.api",
    "compress": "burnish.pipeline.commands.ship",
    "deepen": "burnish.techniques.deepen",
    "dense_topology": "burnish.techniques.dense_topology",
    "diagnose": "burnish.pipeline.api",
    "distill": "burnish.pipeline.students",
    "ensemble": "burnish.pipeline.ensembles",
    "evaluate": "burnish.pipeline.commands.directory",
    "export": "burnish.pipeline.commands.ship",
    "inspect": "burnish.pipeline.api",
    "load": "burnish.data",
    "Gradual": "burnish.compression.gradual",
    "prune": "burnish.compression.prune",
    "pruned_in_steps": "burnish.compression.prune",
    "sparsify": "burnish.compression.sparsity",
    "report": "burnish.pipeline.commands.directory",
    "resnext_topology": "burnish.techniques.resnext_topology",
    "run": "burnish.pipeline.main_job",
    "study": "burnish.pipeline.commands.job",
    "train": "burnish.pipeline.api",
    "widen": "burnish.techniques.widen",
    "Probe": "burnish.model.surgery",
    "with_activation": "burnish.techniques.activation",
    "with_batch_norm": "burnish.techniques.batch_norm",
    "with_dropout": "burnish.techniques.dropout",
    "with_group_norm": "burnish.techniques.group_norm",
    "with_residual": "burnish.techniques.residual",
    "with_squeeze_excite": "burnish.techniques.squeeze_excite",
    "with_stochastic_depth": "burnish.techniques.stochastic_depth",
}

__all__ = [
    "Data",
    "Gradual",
    "Plan",
    "Probe",
    "Recipe",
    "__version__",
    "batch_to_group_norm",
    "compare",
    "compress",
    "deepen",
    "dense_topology",
    "diagnose",
    "distill",
    "ensemble",
    "evaluate",
    "export",
    "inspect",
    "load",
    "prune",
    "pruned_in_steps",
    "report",
    "resnext_topology",
    "run",
    "sparsify",
    "study",
    "train",
    "widen",
    "with_activation",
    "with_batch_norm",
    "with_dropout",
    "with_group_norm",
    "with_residual",
    "with_squeeze_excite",
    "with_stochastic_depth",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'burnish' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
