"""The benchmarks are scripts: their folder has to be on the path to test what they compute."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks" / "experiments"))
