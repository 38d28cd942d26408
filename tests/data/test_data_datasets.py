import random

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, SubsetRandomSampler, TensorDataset

from burnish.data import load
from burnish.errors import DataError

RNG = np.random.default_rng(0)
IMAGES = torch.from_numpy(RNG.random((60, 3, 4, 4), dtype=np.float32))
LABELS = torch.arange(60) % 3


def pairs(n=60):
    return TensorDataset(IMAGES[:n], LABELS[:n])


class Items(Dataset):
    """Examples from a function of their number."""

    def __init__(self, make, n=60, classes=None):
        self.make, self.n, self.classes = make, n, classes

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return self.make(i)


def test_float_tensors_stay_as_they_are():
    data = load(pairs())
    assert data.modality == "image"
    assert not data.preparation.channels_last
    assert data.preparation.mean is None
    sealed = data.open_test("x")
    read = {row.tobytes() for row in np.concatenate([data.inputs, sealed.inputs])}
    assert read == {row.tobytes() for row in IMAGES.numpy()}
    assert np.array_equal(data.preparation.network_input(data.inputs), data.inputs)


def test_a_loader_is_read_in_order_whatever_its_shuffle_and_last_batch():
    loader = DataLoader(pairs(), batch_size=7, shuffle=True, drop_last=True)
    assert load(loader).fingerprint == load(pairs()).fingerprint


def test_splits_of_loaders_and_data_sets_are_law():
    train, validation, test = (Subset(pairs(), range(a, b)) for a, b in ((0, 30), (30, 45), (45, 60)))
    data = load((DataLoader(train, batch_size=8, shuffle=True), validation, test))
    assert data.scheme.kind == "fixed"
    assert np.array_equal(data.train.inputs, IMAGES[:30].numpy())
    assert np.array_equal(data.validation.inputs, IMAGES[30:45].numpy())
    assert np.array_equal(data.open_test("x").inputs, IMAGES[45:].numpy())
    pair = load((train, validation))
    assert (len(pair.train), len(pair.validation), pair.test_size, pair.test) == (30, 15, 0, None)
    named = load({"train": train, "val": validation, "test": test})
    assert named.fingerprint == data.fingerprint


def test_the_indices_of_a_sampler_count():
    loader = DataLoader(pairs(), sampler=SubsetRandomSampler(range(10, 40)))
    held = DataLoader(pairs(), sampler=SubsetRandomSampler(range(40, 60)))
    data = load({"train": loader, "validation": held})
    assert np.array_equal(data.train.inputs, IMAGES[10:40].numpy())


def test_a_collate_function_makes_the_examples():
    texts = Items(lambda i: ([i % 9 + 2] * (i % 4 + 1), i % 2))

    def collate(batch):
        length = max(len(x) for x, _ in batch)
        tokens = torch.tensor([x + [0] * (length - len(x)) for x, _ in batch])
        return tokens, torch.tensor([y for _, y in batch])

    data = load({"train": DataLoader(texts, batch_size=2, collate_fn=collate), "validation": texts})
    assert data.modality == "text"
    assert data.inputs.shape == (120, 4)
    assert np.array_equal(data.train.inputs, data.validation.inputs)
    assert data.train.inputs[5].tolist() == [7, 7, 0, 0]


def test_pillow_images_become_pixels():
    arrays = RNG.integers(0, 256, (60, 5, 4, 3), dtype=np.uint8)
    data = load(Items(lambda i: (Image.fromarray(arrays[i]), i % 2), classes=["cat", "dog"]))
    assert data.task.names == ("cat", "dog")
    assert data.inputs.dtype == np.uint8
    assert data.preparation.mean is not None
    assert {row.tobytes() for row in data.inputs} <= {row.tobytes() for row in arrays}


def test_dictionaries_and_texts():
    data = load(Items(lambda i: {"text": f"words words number {i}", "label": i % 2}))
    assert data.modality == "text"
    with pytest.raises(DataError, match="keys 'a', 'b'"):
        load(Items(lambda i: {"a": 1, "b": 2}))


def test_random_augmentation_is_frozen_noted_and_reproducible():
    noisy = Items(lambda i: (IMAGES[i] + torch.randn(1) + np.random.rand() + random.random(), int(LABELS[i])))
    state = torch.get_rng_state()
    data = load(noisy, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert any("random augmentation is frozen" in note for note in data.notes)
    assert load(noisy, seed=3).fingerprint == data.fingerprint
    assert not any("frozen" in note for note in load(pairs()).notes)


def test_max_rows_reads_no_more_than_it_must():
    read = []
    data = load(Items(lambda i: (read.append(i), (IMAGES[i % 60], i % 2))[1], n=10_000), max_rows=80)
    assert len(data.inputs) == 80
    assert len(read) <= 103
    read.clear()
    train = Items(lambda i: (read.append(i), (IMAGES[i % 60], i % 2))[1], n=300)
    data = load({"train": train, "validation": Subset(train, range(100))}, max_rows=40)
    assert (len(data.train), len(data.validation)) == (30, 10)
    assert len(read) <= 45


def test_streams_are_read_once():
    class Stream(IterableDataset):
        def __iter__(self):
            return iter(pairs())

    assert len(load(Stream(), test=0).inputs) == 60
    assert np.array_equal(load(DataLoader(Stream(), batch_size=8), test=0).inputs, IMAGES.numpy())


def test_regression_and_tables():
    data = load(TensorDataset(IMAGES[:, 0, 0], torch.linspace(0, 1, 60)))
    assert (data.modality, data.task.kind, data.input_shape) == ("table", "regression", (4,))
    assert np.isin(data.inputs, IMAGES.numpy()).all()
    assert data.preparation.feature_groups == ((0,), (1,), (2,), (3,))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda i: (IMAGES[i], IMAGES[i], 1), "got 3 parts"),
        (lambda i: IMAGES[i], "got a Tensor"),
        (lambda i: (IMAGES[i, :, : 2 + i % 2], i % 2), "2 different shapes"),
        (lambda i: (IMAGES[i] / 0, i % 2), "NaN or infinite"),
        (lambda i: (IMAGES[i], 1 // (i - 7)), "example 7 of the data set raised ZeroDivisionError"),
    ],
)
def test_unusable_examples_are_explained(make, message):
    with pytest.raises(DataError, match=message):
        load(Items(make))


def test_an_empty_data_set_is_refused():
    with pytest.raises(DataError, match="empty"):
        load(Items(lambda i: (0, 0), n=0))
