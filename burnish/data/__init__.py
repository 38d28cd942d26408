"""Sources, splits and preparation of data; importing this needs neither torch nor pandas nor scikit-learn."""

from burnish.data.data import Data as Data
from burnish.data.data import Split as Split
from burnish.data.load import load as load
from burnish.data.preparation import Preparation as Preparation
from burnish.data.splits import Scheme as Scheme
