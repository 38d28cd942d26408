"""What limits a network: one rule per file, measured symptom -> finding -> remedies."""

from burnish.diagnosis.diagnose import RULES as RULES
from burnish.diagnosis.diagnose import diagnose as diagnose
from burnish.diagnosis.preflight import preflight as preflight
from burnish.diagnosis.subject import Subject as Subject
