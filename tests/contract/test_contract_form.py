"""What every technique is: a documented, frozen, keyword-only value with one notation."""

import importlib
import inspect
import pickle
import re
from dataclasses import FrozenInstanceError, fields

import pytest
from contract_cases import CASES, NAMES, NO_NEUTRAL, files

from burnish.techniques import CATALOGUE, describe, parse
from burnish.techniques._describe import cited


def module_of(name):
    return importlib.import_module(CATALOGUE[name].__module__)


def test_folder_catalogue_and_contract_cases_agree():
    assert {CATALOGUE[name].__module__.rpartition(".")[2] for name in NAMES} == files()
    assert set(CASES) == set(CATALOGUE)
    assert {name for name, case in CASES.items() if case.neutral is None} == set(NO_NEUTRAL)
    assert all(type(case.technique).__name__ == name for name, case in CASES.items())


@pytest.mark.parametrize("name", NAMES)
def test_is_default_constructible_keyword_only_frozen_and_hashable(name):
    technique = CATALOGUE[name]()
    assert hash(technique) == hash(CATALOGUE[name]())
    first = fields(technique)[0].name if fields(technique) else None
    with pytest.raises(TypeError):
        CATALOGUE[name](getattr(technique, first) if first else 1)
    if first:
        with pytest.raises(FrozenInstanceError):
            setattr(technique, first, getattr(technique, first))


@pytest.mark.parametrize("name", NAMES)
def test_repr_reads_back_and_the_value_survives_pickling(name):
    for technique in (CATALOGUE[name](), CASES[name].technique):
        assert parse(repr(technique)) == technique
        assert repr(parse(repr(technique))) == repr(technique)
        assert pickle.loads(pickle.dumps(technique)) == technique


@pytest.mark.parametrize("name", NAMES)
def test_levels_are_settings_and_the_first_is_the_default(name):
    technique = CATALOGUE[name]
    assert all(technique(**level) for level in technique.levels)
    assert technique(**technique.levels[0]) == technique()
    assert len({technique(**level) for level in technique.levels}) == len(technique.levels)


@pytest.mark.parametrize("name", NAMES)
def test_declarations_are_complete(name):
    technique = CATALOGUE[name]
    assert technique.kind in {"factor", "readout", "gate", "post", "nuisance"}
    assert set(technique.conflicts) <= set(CATALOGUE) - {name}
    assert set(technique.modalities) <= {"image", "text", "table", "series"}
    assert set(technique.tasks) <= {"classification", "regression"}
    assert technique.modalities
    assert technique.tasks
    assert isinstance(technique.alters_serving, bool)
    assert describe(name)["summary"].endswith(".")


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_does_and_where_it_comes_from(name):
    technique, module = CATALOGUE[name], module_of(name)
    assert re.search(r"^Sources?:", module.__doc__, re.MULTILINE)
    assert re.search(r"\b(19|20)\d\d\b", cited(technique))
    for arxiv in re.findall(r"arXiv:\d{4}\.\d{4,5}", cited(technique)):
        assert arxiv in module.__doc__, f"{arxiv} is declared but not in the file's Source"
    assert "Changes:" in technique.__doc__
    undocumented = [f.name for f in fields(technique) if f"{f.name}:" not in technique.__doc__]
    assert not undocumented
    for public in module.__all__:
        assert inspect.getdoc(getattr(module, public)), public


@pytest.mark.parametrize("name", NAMES)
def test_no_technique_imports_another(name):
    own = CATALOGUE[name].__module__
    imported = re.findall(r"burnish\.techniques\.(\w+)", inspect.getsource(module_of(name)))
    assert [part for part in imported if not part.startswith("_") and part != "notation"] == [], own
