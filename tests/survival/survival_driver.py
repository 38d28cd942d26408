"""`burnish run` that kills itself: `python survival_driver.py WHERE WHEN FLAGS...`.

`WHERE` is a stage and `WHEN` the seconds after its start, at its end at the latest, before its result is stored;
or `WHERE` is `renamed` and `WHEN` counts the renames by which the driver makes files count.
"""

import os
import signal
import sys
import threading

from burnish.cli.main import main
from burnish.pipeline.main_job import STAGES


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def die_in(stage, seconds):
    compute = STAGES[stage]

    def shortened(work):
        timer = threading.Timer(seconds, die)
        timer.daemon = True
        timer.start()
        compute(work)
        die()

    STAGES[stage] = shortened


def die_renaming(count):
    left = [count]

    def counted(rename):
        def renaming(*args, **options):
            rename(*args, **options)
            left[0] -= 1
            if not left[0]:
                die()

        return renaming

    os.replace, os.rename = counted(os.replace), counted(os.rename)


if __name__ == "__main__":
    where, when, *flags = sys.argv[1:]
    if where == "renamed":
        die_renaming(int(when))
    else:
        die_in(where, float(when))
    sys.exit(main(flags))
