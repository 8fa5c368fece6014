"""The groups of a run's configuration: plain dataclasses, the only place their defaults live.

How they are composed with presets, files and overrides is in ``sslskel.config.compose``.
Defaults are those of the released MAMP code.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from sslskel.errors import UsageError


class Precision(Enum):
    """Arithmetic of a run; part of its identity."""

    fp32 = "fp32"
    tf32 = "tf32"
    """float32 whose products a GPU makes with 10 bits behind the point."""
    bf16 = "bf16"
    fp16 = "fp16"
    fp64 = "fp64"


class Stream(Enum):
    """What of a skeleton is fed to the network: joints, bones (a joint minus its parent), or changes between frames."""

    joint = "joint"
    bone = "bone"
    motion = "motion"


class Centre(Enum):
    """Where the origin is, and what a length of 1 is.

    ``stored``: as stored; ``first``: the first person's centre joint in the view's first frame;
    ``sized``: the same, and lengths in sizes of their body, for pixels and unknown units.
    """

    stored = "stored"
    first = "first"
    sized = "sized"


class Sampling(Enum):
    """Frames of a view: ``crop``, a part of the clip resized to T; ``segments``, a raw frame of each of T pieces."""

    crop = "crop"
    segments = "segments"


class Body(Enum):
    """Which joints a network reads: those of the dataset, or 20 that bodies of most sensors share by name."""

    stored = "stored"
    common = "common"


class Fidelity(Enum):
    """Where released code departs from its paper, which of the two is followed."""

    released = "released"
    paper = "paper"


class EmptyBodies(Enum):
    """Whether training rows include the zeros of missing persons, as in released code, or persons present only."""

    reference = "reference"
    present = "present"


class Optimiser(Enum):
    """How weights follow their gradients."""

    adamw = "adamw"
    adam = "adam"
    """Weight decay is part of the gradient, not apart from it as in AdamW."""
    adam_tensorflow = "adam_tensorflow"
    """Adam whose small constant joins the second moment before this is corrected, as TensorFlow has it."""
    sgd = "sgd"


class Schedule(Enum):
    """Learning rate after warm-up: half a cosine, a line, steps at milestones, or constant."""

    cosine = "cosine"
    linear = "linear"
    step = "step"
    constant = "constant"


class DecayCourse(Enum):
    """Weight decay over the steps: constant, or along a line or half a cosine to its end."""

    constant = "constant"
    linear = "linear"
    cosine = "cosine"


class Chosen(Enum):
    """Which epoch's weights a pretraining leaves: those of the last, or those that ``train.probe`` scored highest."""

    last = "last"
    probe = "probe"


TRACKERS = ("tensorboard", "wandb", "mlflow", "trackio")
"""What numbers of a training can be sent to."""


def require(condition: bool, message: str) -> None:
    """Raise ``UsageError`` with the message unless the condition holds."""
    if not condition:
        raise UsageError(message)


@dataclass
class ClipConfig:
    """Which frames the network sees and how training changes them; defaults are those of the released MAMP code."""

    frames: int = 120
    """T of a view: the frames that its crop is resized to."""
    crop_min: float = 0.5
    """Smallest share of a clip that a training crop takes."""
    crop_max: float = 1.0
    """Largest share of a clip that a training crop takes."""
    min_frames: int = 64
    """Floor of a training crop, in raw frames."""
    test_crop: float = 0.95
    """Share of a clip, in its middle, that the test view takes."""
    rotation: float = 0.3
    """Largest training rotation about each axis, radians; 0 for none."""
    centre: Centre = Centre.stored
    """Moved before rotation. Datasets kept in raw camera coordinates need ``first``."""
    stream: Stream = Stream.joint
    body: Body = Body.stored
    fps: float = 0.0
    """Frames per second at which clips of every dataset are read; 0 reads them as they were recorded."""
    align_root: bool = False
    """The middle of the first person's hips is the origin in every frame. This and what follows: ``body=common``."""
    align_heading: bool = False
    """Turned about the y axis so that the first person's shoulder line lies along x, on average over the view."""
    align_size: bool = False
    """Lengths in torsos of the first person, from the middle of the hips to that of the shoulders."""
    sampling: Sampling = Sampling.crop
    """How frames are read; options of crops have no effect on ``segments``."""
    test_views: int = 1
    """Readings of a test clip by ``segments`` whose class probabilities are averaged, where all weights are trained."""
    test_mirrored: bool = False
    """Average each reading with its mirror image too."""

    @property
    def aligned(self) -> bool:
        """Whether any alignment is asked for."""
        return self.align_root or self.align_heading or self.align_size

    def __post_init__(self) -> None:
        require(self.frames >= 1, f"clip.frames is {self.frames}; it must be at least 1")
        require(
            0 < self.crop_min <= self.crop_max <= 1,
            f"clip.crop_min={self.crop_min}, clip.crop_max={self.crop_max}: must be 0 < crop_min <= crop_max <= 1",
        )
        require(self.min_frames >= 1, f"clip.min_frames is {self.min_frames}; it must be at least 1")
        require(0 < self.test_crop <= 1, f"clip.test_crop is {self.test_crop}; it must be in (0, 1]")
        require(1 <= self.test_views <= 1000, f"clip.test_views is {self.test_views}; it must be from 1 to 1000")
        require(
            self.test_views == 1 or self.sampling is Sampling.segments,
            f"clip.test_views={self.test_views} needs clip.sampling=segments; a crop has one reading",
        )
        require(self.rotation >= 0, f"clip.rotation is {self.rotation}; it must not be negative")
        require(self.fps == 0 or 1 <= self.fps <= 1000, f"clip.fps is {self.fps}; it must be 0, or between 1 and 1000")
        require(
            self.body is Body.common or not self.aligned,
            "clip.align_root, clip.align_heading and clip.align_size need the joints of clip.body=common",
        )
        require(
            not (self.align_size and self.centre is Centre.sized),
            "clip.align_size=true and clip.centre=sized both measure the body; choose one",
        )


@dataclass
class TrainConfig:
    """How a pretext method is trained. Batch size is the GLOBAL number of clips of a step."""

    epochs: int = 400
    """Times that the training part is gone through."""
    batch_size: int = 128
    """Clips of a step, over all processes."""
    optimiser: Optimiser = Optimiser.adamw
    lr: float = 1e-3
    """Learning rate at the end of warm-up."""
    min_lr: float = 5e-4
    """Learning rate at the end of training, with ``schedule=cosine`` and ``linear``."""
    warmup_epochs: float = 20
    """Epochs in which the learning rate rises from 0 along a line."""
    schedule: Schedule = Schedule.cosine
    milestones: list[int] = field(default_factory=list)
    """Epochs at which ``schedule=step`` multiplies the rate by ``decay``."""
    decay: float = 0.1
    """Factor of the learning rate at each of the ``milestones``."""
    weight_decay: float = 0.05
    """Weight decay, at the start where its course is not constant."""
    beta1: float = 0.9
    """Of Adam: what the mean of gradients keeps in a step."""
    beta2: float = 0.95
    """Of Adam: what the mean of squared gradients keeps in a step."""
    momentum: float = 0.9
    """Of SGD."""
    nesterov: bool = False
    """Nesterov's form of SGD's momentum."""
    clip_norm: float = 0.0
    """Largest gradient norm; 0 for no clipping."""
    accumulate: int = 1
    """Parts into which a step's batch is cut to save memory; the update is the same."""
    drop_last: bool = True
    """Leave out the clips at the end of an epoch that make no whole batch."""
    checkpoint_epochs: int = 20
    """Epochs between checkpoints; the last epoch always writes one."""
    keep_checkpoints: int = 2
    """How many of the newest checkpoints of a run are kept."""
    also: list[str] = field(default_factory=list)
    """More to pretrain on: training parts of benchmarks (NAME or NAME/SPLIT), or folders of prepared datasets."""
    weight_decay_course: DecayCourse = DecayCourse.constant
    weight_decay_end: float = 0.0
    """Weight decay at the end of training where its course is not constant."""
    stop_after: int = 0
    """Epochs after which training ends although its schedule is for ``epochs``; 0 for all of them."""
    suite: str = ""
    """A suite to pretrain on instead of the benchmark, as ``--pretrain-on suite:NAME`` sets it."""
    probe: str = ""
    """A protocol that scores the frozen encoder during training, on held-out training subjects; empty for none.
    It changes no weight."""
    probe_epochs: int = 10
    """Epochs between probes; the untrained network and the last epoch are scored too."""
    selection: Chosen = Chosen.last
    """The epoch whose weights are kept: the last, or the one that ``probe`` scored highest."""

    @property
    def trained_epochs(self) -> int:
        """Epochs that are trained, of the ``epochs`` of the schedule."""
        return min(self.stop_after or self.epochs, self.epochs)

    def __post_init__(self) -> None:
        require(
            not (self.suite and self.also),
            f"train.suite={self.suite} and train.also both say what else is trained on; give one of them",
        )
        require(self.stop_after >= 0, f"train.stop_after is {self.stop_after}; it must be 0 or a number of epochs")
        for name in ("epochs", "batch_size", "accumulate", "checkpoint_epochs", "keep_checkpoints", "probe_epochs"):
            require(getattr(self, name) >= 1, f"train.{name} is {getattr(self, name)}; it must be at least 1")
        require(
            self.selection is Chosen.last or bool(self.probe),
            "train.selection=probe needs train.probe, the protocol that scores the epochs",
        )
        for name in ("lr", "min_lr", "warmup_epochs", "weight_decay", "clip_norm", "momentum", "weight_decay_end"):
            require(getattr(self, name) >= 0, f"train.{name} is {getattr(self, name)}; it must not be negative")
        for name in ("beta1", "beta2"):
            require(0 <= getattr(self, name) < 1, f"train.{name} is {getattr(self, name)}; it must be in [0, 1)")
        require(
            self.batch_size % self.accumulate == 0,
            f"train.batch_size={self.batch_size} is not divisible by train.accumulate={self.accumulate}",
        )
        require(
            self.weight_decay_end == 0 or self.weight_decay_course is not DecayCourse.constant,
            f"train.weight_decay_end={self.weight_decay_end} needs train.weight_decay_course=linear or cosine",
        )
        require(
            self.schedule is not Schedule.step or bool(self.milestones),
            "train.schedule=step needs train.milestones, for instance train.milestones=[250]",
        )


@dataclass
class EngineConfig:
    """Where and how fast it runs. Only ``precision`` is part of a run's identity."""

    device: str = "auto"
    """auto, cpu, cuda, cuda:0, mps ..."""
    precision: Precision = Precision.fp32
    threads: int = 0
    """CPU threads; 0 takes OMP_NUM_THREADS, else torch's choice, within what a container allows."""
    compile: bool = False
    """The method's forward pass as one compiled graph; the first step takes the time for it."""
    deterministic: bool = False
    """Deterministic kernels on GPU too (slower)."""
    tensorboard: bool = False
    """Short for ``track=tensorboard``."""
    track: list[str] = field(default_factory=list)
    """Trackers that get the numbers too, through Accelerate: tensorboard, wandb, mlflow, trackio."""
    log_every: int = 10
    """Steps between lines of metrics.jsonl."""
    cache_features: bool = True
    """Keep features of frozen encoders in the results folder, for the next protocol."""

    @property
    def trackers(self) -> list[str]:
        """Names of all that are asked for, once each."""
        return list(dict.fromkeys([*(["tensorboard"] if self.tensorboard else []), *self.track]))

    def __post_init__(self) -> None:
        for name in self.track:
            require(name in TRACKERS, f"engine.track names '{name}'; it can be {', '.join(TRACKERS)}")
        require(self.threads >= 0, f"engine.threads is {self.threads}; it must not be negative")
        require(self.log_every >= 1, f"engine.log_every is {self.log_every}; it must be at least 1")


COMMON: dict[str, type] = {"clip": ClipConfig, "train": TrainConfig, "engine": EngineConfig}
"""Groups of options that belong to no plugin."""
