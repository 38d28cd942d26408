"""`python -m burnish`, which is also what torchrun starts."""

import sys

from burnish.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
