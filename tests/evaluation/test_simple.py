import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

import burnish as bu
from burnish.evaluation.simple import AVERAGE, LINEAR, NEIGHBOURS, beside, simple_predictions

WORDS = ("red", "green", "blue", "round", "square", "old", "new", "big")


@pytest.fixture(scope="module")
def digits():
    return bu.load("digits")


def test_images_match_scikit_learn(digits):
    seen, asked = (part.inputs.reshape(len(part), -1) / 255 for part in (digits.train, digits.validation))
    scale = StandardScaler().fit(seen)
    labels = digits.train.targets
    found = simple_predictions(digits, digits.validation.inputs)
    for name, model in ((LINEAR, LogisticRegression(max_iter=200)), (NEIGHBOURS, KNeighborsClassifier(5))):
        expected = model.fit(scale.transform(seen), labels).predict(scale.transform(asked))
        assert (found[name].argmax(1) == expected).mean() > 0.995
    np.testing.assert_allclose(found[AVERAGE], np.tile(np.bincount(labels) / len(labels), (len(asked), 1)))


def test_texts_match_scikit_learns_tf_idf():
    rng = np.random.default_rng(0)
    rows = [rng.choice(WORDS, 6) for _ in range(200)]
    labels = np.array([int("red" in row) for row in rows])
    data = bu.load(([" ".join(row) for row in rows], labels), validation=0.3, test=0)
    texts = [" ".join(rows[i]) for i in range(200)]
    found = simple_predictions(data, data.validation.inputs)[LINEAR]
    weigh = TfidfVectorizer().fit([texts[i] for i in data.train_rows])
    model = LogisticRegression(max_iter=200)
    model.fit(weigh.transform([texts[i] for i in data.train_rows]), labels[data.train_rows])
    expected = model.predict_proba(weigh.transform([texts[i] for i in data.validation_rows]))
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_regression_matches_scikit_learn_and_gains_have_the_right_sign():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = x @ [1.0, -2.0, 0.5, 0.0] + 0.1 * rng.normal(size=300)
    data = bu.load((x, y), task="regression", validation=0.3, test=0)
    model = RidgeCV(np.logspace(-2, 4, 7)).fit(x[data.train_rows], y[data.train_rows])
    found = simple_predictions(data, data.validation.inputs)[LINEAR]
    np.testing.assert_allclose(found, model.predict(x[data.validation_rows]), atol=0.02)
    rows = {row["name"]: row for row in beside(data, data.validation, data.validation.targets * 0.9)}
    assert rows[LINEAR]["gain"].high < 0 < rows[AVERAGE]["gain"].low  # the linear model is nearly perfect here
    assert rows[LINEAR]["gain"].value == pytest.approx(
        rows[LINEAR]["score"].value - np.sqrt(np.mean((0.1 * data.validation.targets) ** 2))
    )


def test_a_few_training_rows_are_enough():
    rng = np.random.default_rng(0)
    data = bu.load((rng.normal(size=(12, 3)), np.arange(12) % 2), validation=8, test=0)
    assert len(data.train) == 4
    assert set(simple_predictions(data, data.validation.inputs)) == {AVERAGE, LINEAR, NEIGHBOURS}


def test_labels_get_a_classifier_each_and_one_that_never_differs_its_share():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 4))
    y = np.stack([x[:, 0] > 0, x[:, 1] + x[:, 2] > 0, np.arange(300) == 3], axis=1).astype(int)
    source = {"train": (x[:210], y[:210]), "validation": (x[210:], y[210:])}
    data = bu.load(source, task="multilabel", test=0)
    found = simple_predictions(data, data.validation.inputs, rows=150)[LINEAR]
    seen = np.sort(np.random.default_rng(0).choice(210, 150, replace=False))
    scale = StandardScaler().fit(x[seen])
    for label in (0, 1):
        model = LogisticRegression(max_iter=200).fit(scale.transform(x[seen]), y[seen, label])
        expected = model.predict_proba(scale.transform(x[210:]))[:, 1]
        np.testing.assert_allclose(found[:, label], expected, atol=0.02)
    assert 3 not in seen
    assert (found[:, 2] == 0).all()
