# Two commands on a fresh machine: `make demo` and `make test`. Each does its own set-up.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test slow contract coverage techniques check format clean

.venv/.installed: pyproject.toml constraints.txt
	@echo "setting up .venv; the first time this takes a minute or more, most of it PyTorch"
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: .venv/.installed  ## the main job on scikit-learn's handwritten digits; writes runs/demo/
	$(BIN)/burnish run --out runs/demo

test: .venv/.installed  ## lint, types and the default test suite
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder

slow: .venv/.installed  ## the longer tests: kill tests over the whole job, real data
	$(BIN)/python -m pytest -m slow

contract: .venv/.installed  ## every technique on every kind of task and inputs: resume, export, ranks, bf16, ...
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto tests/contract -m "contract or not contract"

coverage: .venv/.installed  ## every architecture pruned and quantized, every technique on it; writes docs/coverage.md (hours, resumable)
	$(BIN)/python benchmarks/coverage/run.py

techniques: .venv/.installed  ## docs/techniques.md from the code and the measured records
	$(BIN)/python -m burnish.techniques._page docs/techniques.md

format: .venv/.installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv runs
