"""Faults that ``scripts/pages/mutation.py`` plants in the sources, one at a time: do tests notice?"""

from __future__ import annotations

from mutants.axes import AXES
from mutants.contrastive import CONTRASTIVE
from mutants.described import DESCRIBED
from mutants.kind import Mutant
from mutants.masked import MASKED
from mutants.padded import PADDED
from mutants.predicted import PREDICTED
from mutants.protocols import PROTOCOLS
from mutants.reconstruction import RECONSTRUCTION
from mutants.references import SUPERVISED
from mutants.sequences import SEQUENCES
from mutants.shown import SHOWN
from mutants.training import TRAINING
from mutants.views import VIEWS

MUTANTS = (
    *AXES,
    *CONTRASTIVE,
    *DESCRIBED,
    *MASKED,
    *PADDED,
    *PREDICTED,
    *PROTOCOLS,
    *RECONSTRUCTION,
    *SEQUENCES,
    *SHOWN,
    *SUPERVISED,
    *TRAINING,
    *VIEWS,
)

__all__ = ["MUTANTS", "Mutant"]
