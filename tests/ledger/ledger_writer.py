"""A process that fills a ledger until it is killed: `python ledger_writer.py ROOT first|stages|runs`."""

import sys
from pathlib import Path

from burnish.ledger import Ledger
from burnish.records import Run


def stage_content(number):
    return {"number": number, "filler": [number] * 20_000}


def write_run(ledger, number):
    directory = ledger.new_run(f"r{number:04d}")
    (directory / "weights.bin").write_bytes(bytes([number % 256]) * 50_000)
    run = Run(
        id=f"r{number:04d}", stage="screen", techniques=(), seed=number, split=0, status="done", primary="accuracy"
    )
    ledger.finish_run(directory, run)


def main(root, what):
    ledger = Ledger(root)
    ledger.open({"seed": 1})
    Path(root, f"started-{what}").touch()
    for number in range(100_000):
        if what == "stages":
            ledger.put_stage("screen", stage_content(number))
        else:
            write_run(ledger, number)


if __name__ == "__main__":
    main(*sys.argv[1:])
