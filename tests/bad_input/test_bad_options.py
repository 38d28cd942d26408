"""Names and numbers that cannot be meant: refused before data are read, runs are made or files are written."""

import pytest

TECHNIQUES = [
    ("Mixupp", "unknown technique 'Mixupp'. Did you mean Mixup"),
    ("Foo()", "unknown technique 'Foo'"),
    ("Mixup(beta=1)", "Mixup has no argument 'beta'; it has alpha"),
    ("Mixup(alpha=-1)", "alpha must be 0 or more, got -1"),
    ("Mixup(alpha='x')", "alpha must be float, got 'x'"),
    ("Mixup(0.2)", "all arguments need their name; write a technique as Name"),
    ("Mixup(alpha=", "cannot be read; write a technique as Name"),
    ("Dropout(rate=nan)", "rate=nan is not a plain value"),
    ("__import__('os').remove('x')", "is not a technique; write a technique as Name"),
    ("", "'' cannot be read"),
]


@pytest.mark.parametrize(("text", "message"), TECHNIQUES)
def test_techniques(check_refused, tmp_path, text, message):
    check_refused("train", "--data", "no/such/data", "--with", text, "--out", tmp_path / "out", says=message)
    check_refused("compare", "cnn", "--data", "digits", "--with", text, "--out", tmp_path / "out", says=message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("Mixup", "Mixup(alpha=0.4)"), "each technique is applied once; drop one of the two"),
        (("BatchNorm", "GroupNorm"), "exclude one another; drop one of the two"),
    ],
)
def test_techniques_that_do_not_go_together(check_refused, tmp_path, pair, message):
    words = [word for text in pair for word in ("--with", text)]
    check_refused("train", "--data", "digits", *words, "--out", tmp_path / "out", says=message)
    assert not (tmp_path / "out").exists()


def test_a_technique_with_nothing_to_do(check_refused, networks):
    check_refused("train", f"{networks}:Good", "--with", "BatchNorm", says="(?i)nothing|no place|no layer|none")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--only", "Foo"), "--only names an unknown technique 'Foo'; one of Activation, Augment"),
        (("--only", "EMA"), "--only EMA: it is a readout, measured on every run"),
        (("--only", "Mixup(beta=1)"), "Mixup has no argument 'beta'"),
        (("--budget", "huge"), "unknown budget 'huge': quick, standard, thorough, or a time such as"),
        (("--budget", "-5m"), "unknown budget '-5m'"),
        (("--optimizer", "adamm"), "unknown optimizer 'adamm'; one of adam, adamw, sgd, rmsprop"),
        (("--loss", "entropy"), "unknown loss 'entropy'; one of cross_entropy"),
        (("--device", "tpu"), "--device 'tpu' cannot be used here; there are auto, cpu"),
        (("--epochs", "0"), "--epochs must be at least 1, got 0"),
        (("--batch-size", "-1"), "--batch-size must be at least 1, got -1"),
        (("--lr", "nan"), "--lr must be above 0 and finite, got nan"),
        (("--lr", "inf"), "--lr must be above 0 and finite, got inf"),
        (("--seed", "-1"), "--seed must be from 0 to 4294967295, got -1"),
        (("--workers", "-1"), r"--workers must be 0 \(as many as suit the machine\) or more, got -1"),
        (("--min-gain", "-0.1"), "--min-gain must be 0 or more and finite, got -0.1"),
        (("--max-drop", "nan"), "--max-drop must be 0 or more and finite, got nan"),
        (("--target-score", "nan"), "--target-score must be finite, got nan"),
        (("--require", "speed<1"), "cannot read the requirement 'speed<1'; expected a quantity .latency_ms, bytes"),
        (("--on", "moon"), "--on 'moon' is unknown; it is local "),
    ],
)
def test_flags(check_refused, tmp_path, flags, message):
    check_refused("run", "--data", "no/such/data", *flags, "--out", tmp_path / "out", says=message)
    assert not (tmp_path / "out").exists()


def test_flags_that_do_not_fit_the_task(check_refused, tmp_path):
    says = "the loss 'mse' is not for classification; one of cross_entropy"
    check_refused("train", "--loss", "mse", "--out", tmp_path / "out", says=says)
    check_refused("train", "--metric", "rmse", "--out", tmp_path / "out", says="'rmse' is no metric of classification")
    assert not (tmp_path / "out").exists()


def test_the_job_chooses_its_techniques_itself(check_refused, tmp_path):
    check_refused(
        "run", "--with", "Mixup", "--out", tmp_path / "out", says="limit it with --only, or measure them with"
    )
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epocs: 3\n", "unknown key 'epocs' .did you mean 'epochs'"),
        ("epochs: many\n", "epochs must be int, got 'many'"),
        ("a: [\n", "is not YAML"),
        ("- 1\n", "must hold lines such as `epochs: 20`"),
        ("!!python/object/apply:os.remove ['x']\n", "is not YAML: could not determine a constructor"),
    ],
)
def test_recipe_files(check_refused, tmp_path, text, message):
    (tmp_path / "recipe.yaml").write_text(text)
    check_refused("run", tmp_path / "recipe.yaml", "--out", tmp_path / "out", says=message)
    assert not (tmp_path / "out").exists()
