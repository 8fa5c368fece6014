"""What small datasets share: a file that is one clip of one person, and splits that leave one subject out."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sslskel import Clip, Split, Track


def clip_of_one(
    name: str,
    label: int,
    joints: npt.NDArray[np.float64],
    *,
    subject: int = -1,
    camera: int = -1,
    setup: int = -1,
) -> Clip:
    """(T, V, 3) metres as a clip in which the person is seen in every frame, stored as float32."""
    track = Track(slot=0, begin=0, joints=joints.astype(np.float32), valid=np.ones(len(joints), bool))
    return Clip(name, label, len(joints), (track,), subject=subject, camera=camera, setup=setup)


def leave_one_out(subjects: Iterable[int]) -> dict[str, Split]:
    """``loso1``, ``loso2``, ...: each subject once as the test part, all others as the training part.

    Model selection may hold out the subject before the one that is tested, and the last one for the first.
    """
    everyone = sorted(subjects)
    return {
        f"loso{tested}": Split(
            f"loso{tested}",
            by="subject",
            train=frozenset(everyone) - {tested},
            validation=frozenset({everyone[place - 1]}),
            test=frozenset({tested}),
        )
        for place, tested in enumerate(everyone)
    }
