"""The run directory: atomic results, resume, openings of the test set."""

from burnish.ledger.atomic import write_bytes as write_bytes
from burnish.ledger.atomic import write_text as write_text
from burnish.ledger.ledger import Ledger as Ledger
