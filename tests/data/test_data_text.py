import numpy as np
import pandas as pd
import pytest

from burnish.data import load
from burnish.data.tensors import network_tensor
from burnish.data.text import encode_tokens, fit_length, fit_vocabulary, tokenize
from burnish.errors import DataError, UsageError


def sentences(n=60):
    subjects = ["the cat", "a dog", "my horse"]
    texts = [f"{subjects[i % 3]} likes food number {i} very much !" for i in range(n)]
    return pd.DataFrame({"text": texts, "label": [("good", "bad")[i % 2] for i in range(n)]})


def test_words_by_hand():
    assert tokenize("Don't PANIC: it 's 42!") == ["don't", "panic", "it", "'s", "42", "!"]


def test_vocabulary_is_ordered_by_count_and_leaves_single_words_out():
    tokens = [["b", "a", "b"], ["a", "b", "once"]]
    assert fit_vocabulary(tokens) == ("<pad>", "<unk>", "b", "a")


def test_length_is_the_95th_percentile_within_bounds():
    assert fit_length([["w"] * n for n in range(1, 101)]) == 96
    assert fit_length([["w"]]) == 8
    assert fit_length([["w"] * 500]) == 128


def test_tokens_by_hand():
    vocabulary = ("<pad>", "<unk>", "hello", "world")
    stored = encode_tokens(["World hello there", "", "hello hello hello hello hello"], vocabulary, 4)
    assert stored.tolist() == [[3, 2, 1, 0], [1, 0, 0, 0], [2, 2, 2, 2]]
    assert stored.dtype == np.int32


def test_a_text_column_makes_text():
    data = load(sentences())
    assert data.modality == "text"
    assert data.preparation.text_column == "text"
    assert any("modality taken as text" in note for note in data.notes)
    assert data.preparation.network_input(data.train.inputs).dtype == np.int64
    tensor = network_tensor(data.preparation, data.train.inputs)
    assert np.array_equal(tensor.numpy(), data.train.inputs)


def test_short_categories_stay_a_table():
    frame = sentences().assign(text=["red", "green"] * 30, size=range(60))
    assert load(frame).modality == "table"
    assert load(sentences(), modality="text").modality == "text"


def test_the_vocabulary_knows_training_rows_alone():
    train = sentences(40)
    other = sentences(20).assign(text="unseenword appears here twice unseenword")
    data = load({"train": train, "validation": other, "test": other})
    assert "unseenword" not in data.preparation.vocabulary
    assert (data.validation.inputs[:, :2] == [[1, 1]]).all()


def test_lists_of_texts_are_a_source():
    frame = sentences()
    data = load((frame["text"].tolist(), frame["label"].tolist()))
    assert data.modality == "text"
    assert data.task.names == ("bad", "good")
    assert np.array_equal(data.inputs, load(frame).inputs)


def test_prediction_encodes_texts_as_training_did():
    frame = sentences()
    data = load(frame)
    stored = {row.tobytes() for row in np.concatenate([data.inputs, data.open_test("x").inputs])}
    assert {row.tobytes() for row in data.preparation.encode_texts(frame["text"].tolist())} == stored
    assert np.array_equal(data.preparation.encode_frame(frame), data.preparation.encode_texts(frame["text"].tolist()))
    with pytest.raises(UsageError, match="cannot read image files"):
        data.preparation.encode_files(["a.png"])
    with pytest.raises(DataError, match="no text column 'text'"):
        data.preparation.encode_frame(frame.rename(columns={"text": "body"}))


def test_a_cell_that_counts_as_missing_is_the_same_text_in_training_and_prediction():
    frame = sentences()
    frame.loc[:, "text"] = frame["text"].where(frame.index % 9 != 0, "?")
    data = load(frame)
    stored = {row.tobytes() for row in np.concatenate([data.inputs, data.open_test("x").inputs])}
    assert {row.tobytes() for row in data.preparation.encode_frame(frame)} == stored


def test_texts_can_have_real_values():
    data = load(sentences().assign(label=np.linspace(0, 1, 60)))
    assert (data.modality, data.task.kind) == ("text", "regression")


def test_texts_without_common_words_are_refused():
    frame = pd.DataFrame({"text": [f"a{i} b{i} c{i} d{i}" for i in range(30)], "label": ["x", "y"] * 15})
    with pytest.raises(DataError, match="no word occurs twice"):
        load(frame)
