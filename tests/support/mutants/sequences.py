"""Faults of methods on recurrent networks that read whole clips: AS-CAL, MS2L."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

ASCAL = "tests/methods/test_ascal_released.py"

SEQUENCES: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/ascal.py",
        ASCAL,
        ("updates in the first epoch", "progress.epoch >= self.config.filling_epochs", "progress.epoch >= 0"),
        ("moves its key in the first epoch", "if self.updates(progress):", "if progress.step >= 0:"),
        ("compares cosines", "unit_length=config.unit_length", "unit_length=True"),
        ("starts its queue at length 1", "math.sqrt(3 / dim)", "math.sqrt(1 / dim)"),
        (
            "judges clips that are not centred",
            "(*self.clip.test_view.augment, CentreFrames())",
            "self.clip.test_view.augment",
        ),
        ("spares missing persons its noise", "(FillPersons(), GaussianNoise(sd=0.05", "(GaussianNoise(sd=0.05"),
    ),
    *planted_in(
        "methods",
        "sslskel/backbones/lstm.py",
        ASCAL,
        ("reads a frame joint by joint", "axis_by_axis(tracks, self._clip)", "tracks.flatten(2)"),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/augment_time.py",
        f"{ASCAL} -k augmentations",
        (
            "hides joints in all frames",
            '"frame", frames, of_frames)[:, :, None]',
            '"frame", frames, (frames, frames))[:, :, None]',
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/subsets.py",
        f"{ASCAL} -k labels",
        ("leaves small classes out", "/ classes), 1)", "/ classes), 0)"),
    ),
)
