"""Small data of every modality, made here."""

import numpy as np

from burnish.data import load


def image_data(size=8, channels=1, classes=3, count=60):
    generator = np.random.default_rng(0)
    pixels = generator.integers(0, 255, (count, size, size, channels), dtype=np.uint8)
    return load((pixels, np.arange(count) % classes), modality="image", seed=0)


def table_data(values=False):
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(60, 6)).astype(np.float32)
    targets = rows.sum(1) if values else np.arange(60) % 3
    return load((rows, targets), modality="table", task="regression" if values else "classification", seed=0)


def text_data():
    tokens = np.random.default_rng(0).integers(2, 30, (60, 9)).astype(np.int32)
    return load((tokens, np.arange(60) % 3), modality="text", seed=0)


def series_data():
    values = np.random.default_rng(0).normal(size=(60, 2, 24)).astype(np.float32)
    return load((values, np.arange(60) % 3), modality="series", seed=0)
