"""What replays of recorded PSTL steps share: draws of its views under our names."""

from __future__ import annotations

import torch
from recorded import Recorded
from torch import Tensor

OFF_DIAGONAL = ~torch.eye(3, dtype=torch.bool)


def off_diagonal(matrix: Tensor, amplitude: float) -> Tensor:
    """U[0, 1) draws that give a recorded shear (3, 3): (6,)."""
    return (matrix[OFF_DIAGONAL].double() / amplitude + 1) / 2


def view_draws(case: Recorded, name: str) -> dict[str, Tensor]:
    """What a view drew, once for the batch; the shear stands on the other side, which transposes its matrix."""
    axis = case.tensor(f"{name}/rotate_axis")
    return {
        "crop.start": case.tensor(f"{name}/crop_start"),
        "shear.off_diagonal": off_diagonal(case.tensor(f"{name}/shear_matrix").T, float(case.config["shear_amp"])),
        "tilt.axis": axis,
        "tilt.angles": case.tensor(f"{name}/rotate_degrees") / torch.where(torch.arange(3) == axis, 30.0, 1.0),
        "flip": case.tensor(f"{name}/flip_p"),
    }
