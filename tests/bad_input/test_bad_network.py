"""Networks that cannot be used: one line that says what is wrong, and nothing written."""

import importlib.util
import sys

import pytest

import burnish as bu
from burnish.errors import UsageError

FAULTS = [
    ("width", r"outputs of shape \(2, 5\) .* 10 classes .* make its last layer 10 wide"),
    ("inputs", r"fails on a batch of shape \(2, 1, 8, 8\) .* first layer made for inputs of shape \(1, 8, 8\)"),
    ("wants", "wants depth; Burnish can give .* give the others a default"),
    ("raises", r"nets.py:raises\(\) failed: RuntimeError: no such layer"),
    ("exits", r"nets.py:exits\(\) failed: SystemExit: 3"),
    ("nothing", "returned a NoneType, not a torch.nn.Module"),
    ("number", "3 is no network; give a torch.nn.Module"),
    ("absent", "there is no 'absent' in it; it defines Good, width"),
    ("ReturnsTuple", "returns a tuple, where one tensor .* return the logits alone"),
    ("ReturnsTupleInTraining", "gave the loss a tuple, .* also in training mode"),
    ("FailsInTraining", r"fails in training mode on a batch of shape \(\d+, 1, 8, 8\): ValueError: lost the mask"),
    ("FailsInEvaluation", "evaluation mode.: ValueError: lost the mask"),
    ("FailsOnOne", r"fails on a batch of shape \(1, 1, 8, 8\) .* any number of examples"),
    ("SqueezesOne", r"outputs of shape \(10,\) for 1 example.* drop the squeeze"),
    ("NotFinite", "before any training the network gives numbers that are not finite"),
    ("NotFiniteInTraining", "gradient of layer.weight is not finite at the first step"),
    ("NoGradient", "none of the 2 parameters gets a gradient"),
    ("MixesExamples", "depends on the other examples of the batch"),
]


QUICK = ("--data", "digits", "--epochs", 1, "--lr", 0.01)
IDS = [name for name, _ in FAULTS]


@pytest.mark.parametrize(("name", "message"), FAULTS, ids=IDS)
def test_a_network_that_cannot_be_used_is_refused_before_anything_is_written(
    check_refused, networks, tmp_path, name, message
):
    check_refused("train", f"{networks}:{name}", *QUICK, "--out", tmp_path / "out", says=message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", [("run",), ("study",), ("diagnose",), ("diagnose", "--quick"), ("inspect",)])
def test_every_command_refuses_it(check_refused, networks, tmp_path, command):
    out = ("--out", tmp_path / "out") if command != ("inspect",) else ()
    check_refused(*command, f"{networks}:width", *QUICK, *out, says="make its last layer 10 wide")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "there is no file .*absent.py; give it as path/to/file.py:function"),
        ("def net(:\n", "fails when it is loaded: SyntaxError: invalid syntax"),
        ("import no_such_module\n", "fails when it is loaded: ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise OSError('no weights')\n", "fails when it is loaded: OSError: no weights"),
        ("import sys\nsys.exit('usage')\n", "SystemExit: usage .put what runs as a script under `if __name__"),
    ],
)
def test_files_that_cannot_be_loaded(check_refused, tmp_path, text, message):
    file = tmp_path / ("absent.py" if text is None else "net.py")
    if text is not None:
        file.write_text(text)
    check_refused("train", f"{file}:net", *QUICK, says=message)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch", "unknown network 'nosuch'; the zoo has mlp, cnn"),
        ("net.py", "'net.py' names no function: write net.py:FUNCTION"),
        ("net.py:", "names no function; write path/to/file.py:function"),
        ("no_such_package:net", "cannot import no_such_package: No module named"),
        ("transformer", r"transformer takes tokens \(T,\), got examples of shape \(1, 8, 8\)"),
    ],
)
def test_names_that_lead_nowhere(check_refused, name, message):
    check_refused("train", name, *QUICK, says=message)


def test_a_mended_network_finds_a_clean_directory(check_refused, burnish, tmp_path):
    file, out = tmp_path / "net.py", tmp_path / "out"
    text = "from torch import nn\ndef net(): return nn.Sequential(nn.Flatten(), nn.Linear(64, {}))\n"
    words = ("train", f"{file}:net", *QUICK, "--seeds", 1, "--out", out)
    file.write_text(text.format(5))
    check_refused(*words, says="10 wide")
    file.write_text(text.format(10))
    assert burnish(*words)[0] == 0


def test_python_says_the_same(networks, digits):
    spec = importlib.util.spec_from_file_location("user_networks", networks)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    for name, message in FAULTS:
        if isinstance(getattr(module, name, None), type):  # functions are asked by the command line
            with pytest.raises(UsageError, match=message):
                bu.train(bu.Plan(model=getattr(module, name), data=digits, epochs=1), seeds=[0])


@pytest.mark.parametrize("technique", [bu.techniques.Mixup, "Mixup"])
def test_what_is_no_technique_is_refused(digits, technique):
    with pytest.raises(UsageError, match="is no technique; give an instance, such as Mixup"):
        bu.Plan(model="cnn", data=digits).then(technique)


def test_a_plan_needs_loaded_data(digits):
    with pytest.raises(UsageError, match=r"write data=load\('digits'\)"):
        bu.Plan(model="cnn", data="digits")
    with pytest.raises(UsageError, match="a job takes a Plan or a Recipe, got 'digits'"):
        bu.study("digits")
