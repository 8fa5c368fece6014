"""The options of Predict & Cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sslskel import Fidelity, require


class Flavour(Enum):
    """The release that is followed: the paper's, in TensorFlow, or its later port, which is another algorithm."""

    tensorflow = "tensorflow"
    pytorch = "pytorch"


class DecoderKind(Enum):
    """What the decoder reads, and which state it has, at every frame."""

    fixed_weights = "fixed_weights"
    """Zeros; the state is carried. ``fidelity=paper`` keeps the weights of its GRU, which both releases train."""
    fixed_state = "fixed_state"
    """Its own last output, the clip's first frame at first; the state is the feature at every frame."""
    free = "free"
    """As ``fixed_weights``, with weights that are meant to be trained."""
    teacher_forced = "teacher_forced"
    """The very frame that it is to give, and zeros at first; the port alone has it."""


class Basis(Enum):
    """Axes in which a body is seen, fixed by its first frame: across the hips, ahead, up the spine."""

    by_fidelity = "by_fidelity"
    """``mirrored`` as released, ``rotation`` under ``fidelity=paper``."""
    mirrored = "mirrored"
    """Determinant -1: left and right of the room change places."""
    rotation = "rotation"
    none = "none"
    """Coordinates as they are; frames with missing joints stay."""


@dataclass
class PredictClusterConfig:
    """Defaults are those of the released TensorFlow scripts for NTU RGB+D 60."""

    flavour: Flavour = Flavour.tensorflow
    decoder: DecoderKind = DecoderKind.fixed_weights
    fidelity: Fidelity = Fidelity.released
    basis: Basis = Basis.by_fidelity
    rescale: bool = True
    """Each axis of each clip to [-1, 1], by its smallest and largest coordinate."""
    read_frames: int = 300
    """Frames read of a clip before ``clip.frames`` of them are taken; of a longer one every second, third ..."""
    code: int = 0
    """Numbers of a code into which an auto-encoder presses features, with all else frozen; 0 for the features."""
    code_widths: list[int] = field(default_factory=lambda: [1024, 512])
    """Layers of the auto-encoder between feature and code."""

    def __post_init__(self) -> None:
        require(self.read_frames >= 1, f"method.read_frames is {self.read_frames}; it must be at least 1")
        require(self.code >= 0, f"method.code is {self.code}; it must not be negative")
        require(
            all(width >= 1 for width in self.code_widths),
            f"method.code_widths is {self.code_widths}; each must be at least 1",
        )
        require(
            self.decoder is not DecoderKind.teacher_forced or self.flavour is Flavour.pytorch,
            "method.decoder=teacher_forced is of the port alone; add method.flavour=pytorch",
        )
