"""How runs are carried out: in process or by local workers. Knows nothing of what a run is."""

from burnish.execution.in_process import InProcess as InProcess
from burnish.execution.jobs import Job as Job
from burnish.execution.pool import Pool as Pool
from burnish.execution.pool import execute as execute
