"""Small plans the contract is tested on, and one training of each technique, shared by the tests."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from contract_cases import CASES

from burnish.data import load
from burnish.plan import Optimizer, Plan
from burnish.training import fit


@pytest.fixture(scope="session")
def plan():
    return Plan(model="cnn", data=load("digits", seed=0), epochs=2, batch_size=32, optimizer=Optimizer(lr=3e-3))


@pytest.fixture(scope="session")
def trained(plan):
    """`trained(name, *texts)` -> the fitted plan with `texts` on the network of technique `name`; each trained once."""
    from burnish.techniques import parse

    @cache
    def train(model, *texts):
        base = plan if model is None else replace(plan, model=model)
        return fit(base.then(*(parse(text) for text in texts)), seed=0, device="cpu")

    return lambda name, *texts: train(CASES[name].model, *texts)


@pytest.fixture(scope="session")
def others():
    """Plans of the other modalities and of regression, by name."""
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(80, 6)).astype(np.float32)
    tokens = generator.integers(2, 30, size=(80, 9)).astype(np.int32)
    series = generator.normal(size=(80, 2, 24)).astype(np.float32)
    classes, values = np.arange(80) % 3, rows.sum(1)
    sources = {
        "text classification": ("textcnn", tokens, classes, "text"),
        "table classification": ("mlp", rows, classes, "table"),
        "table regression": ("mlp", rows, values, "table"),
        "series classification": ("cnn1d", series, classes, "series"),
    }
    return {
        name: Plan(model=model, data=load((x, y), modality=modality, task=name.split()[1], seed=0), epochs=1)
        for name, (model, x, y, modality) in sources.items()
    }
