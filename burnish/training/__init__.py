"""One readable loop, optimizers, schedules, checkpoints and seeds."""

from burnish.training.loop import Fitted as Fitted
from burnish.training.loop import fit as fit
from burnish.training.seeds import derive as derive
