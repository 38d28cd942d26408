"""Pools of the coverage benchmark."""

import runpy
from pathlib import Path

import numpy as np

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "experiments" / "coverage.py"


def test_pools_share_nothing_while_the_rows_last():
    pools = runpy.run_path(str(SCRIPT))["pools_of"](6, 20, 100)
    assert len(np.unique(np.concatenate(pools[:5]))) == 100
    assert all(len(np.unique(pool)) == 20 for pool in pools)
