"""Faults of methods on recurrent networks that read whole clips: AS-CAL, MS2L."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

ASCAL = "tests/methods/test_ascal_released.py"
MS2L = "tests/methods/test_ms2l_released.py"
JUDGED = "tests/evaluation/test_ms2l_released_heads.py"

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
            "(*view.augment, CentreFrames())",
            "view.augment",
        ),
        ("spares missing persons its noise", "(FillPersons(), GaussianNoise(sd=0.05", "(GaussianNoise(sd=0.05"),
    ),
    *planted_in(
        "methods",
        "methods/ms2l.py",
        f"{MS2L} {JUDGED}",
        ("clips its heads together", '"clip_norm": self.config.clip_norm}', '"weight_decay": 0.0}'),
        ("puts itself out of the contrast", "masked_fill(itself, -1.0)", "masked_fill(itself, -1e9)"),
        ("leaves a short clip short", "torch.where(lengths < config.segments, steps, lengths)", "lengths.clamp(min=3)"),
        (
            "counts what it predicts behind the end",
            "self.motion_head(read[1][0]) * inside[..., None]",
            "self.motion_head(read[1][0])",
        ),
        ("shows the end", "lengths * (1 - config.hidden_share)", "lengths * 1.0"),
        (
            "has no padding in the test view",
            "self._view, train=self._view(clip.test_view)",
            "lambda view: view, train=clip.test_view",
        ),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/lengths.py",
        MS2L,
        ("divides by the length alone", "+ 0.01)", "+ 0.0)"),
        ("averages padding too", "inside = states * up_to(lengths, states.shape[1])[..., None]", "inside = states"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/finetune_training.py",
        JUDGED,
        ("starts a linear head as linear probes do", "HeadStart.xavier, 0.0", "HeadStart.normal, 0.01"),
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
