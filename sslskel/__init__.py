"""sslskel: a benchmark framework for self-supervised learning on 3D human skeletons.

Everything that users call and plugins build on can be imported from here: what the commands do
(``bench``, ``pretrain``, ``evaluate``, ``embed``, ``load_encoder`` ...), the contracts of plugins (``PretextMethod``,
``Backbone``, ``EvaluationProtocol``, ``Benchmark``), their arguments and results (``Batch``, ``Noise``,
``Term`` ...) and the errors. A name's module is imported when the name is first used.
"""

import importlib
from typing import TYPE_CHECKING

from sslskel import version

__version__ = version.__version__

# A bare checkout keeps methods/, benchmarks/ and configs/ beside this package; the wheel has them inside.
if not (version.CHECKOUT / "sslskel" / "methods").is_dir() and (version.CHECKOUT / "methods").is_dir():
    __path__.append(str(version.CHECKOUT))

# Type checkers and editors read these imports and __all__; Python reads the table below. A test compares the three.
if TYPE_CHECKING:
    from sslskel.api.backbone import (
        Backbone,
        Features,
        LayeredTokenBackbone,
        SequenceBackbone,
        SparseTokenBackbone,
        TokenBackbone,
        valid_steps,
    )
    from sslskel.api.batch import Batch, StepOutput, Term, mean_term
    from sslskel.api.benchmark import Benchmark, ImportReport, Split, SplitRows
    from sslskel.api.classifier import Classifier
    from sslskel.api.clips import TrainingClips
    from sslskel.api.dataset import Bools, Clip, Dataset, DatasetInfo, Floats, Ints, Segment, Segments, Track
    from sslskel.api.distributed import (
        clip_counts,
        gather_rows,
        is_first,
        own_rows,
        rank,
        row_counts,
        sum_over_processes,
        world_size,
    )
    from sslskel.api.encoder import Encoder, PooledEncoder, PreparedEncoder
    from sslskel.api.erratum import Errata, Erratum, Shown
    from sslskel.api.method import BuildBackbone, MethodCard, PretextMethod, Progress
    from sslskel.api.noise import Noise, Per, ReplayNoise
    from sslskel.api.origin import Origin
    from sslskel.api.protocol import ClipSet, EvaluationProtocol, Outcome, Parts, ProtocolRun, Truth
    from sslskel.api.schedules import ConstantSchedule, CosineSchedule, LinearSchedule, StepSchedule
    from sslskel.api.skeleton import COCO17, NTU25, PARTS, SkeletonLayout, layout
    from sslskel.api.turn import Turn
    from sslskel.api.view import Augment, ClipSpec, Sampler, ViewSpec
    from sslskel.checks import (
        CheckResult,
        PluginCheck,
        check_backbone,
        check_dataset,
        check_method,
        check_protocol,
        parametrize_with_checks,
    )
    from sslskel.config.groups import EmptyBodies, Fidelity, Stream, require
    from sslskel.config.modes import mode_overrides
    from sslskel.data.drawing.draw import draw_clip
    from sslskel.data.own.importing import import_dataset
    from sslskel.data.prepare import open_benchmark, prepare
    from sslskel.encoders.embed import embed
    from sslskel.encoders.estimator import SkeletonEncoder
    from sslskel.encoders.export import export
    from sslskel.encoders.hub import push
    from sslskel.encoders.open import OpenedEncoders, fill_encoder, load_encoder, open_encoders
    from sslskel.errors import (
        CheckpointError,
        DataError,
        Diverged,
        Interrupted,
        PluginError,
        RunError,
        SslskelError,
        UsageError,
        did_you_mean,
    )
    from sslskel.evaluation.features import clip_features, evaluating, labelled
    from sslskel.evaluation.metrics import aligned, class_scores, logit_scores
    from sslskel.grid.ensemble import fused_by_seed
    from sslskel.grid.jobs import bench_in_jobs
    from sslskel.grid.reproduce import reproduce
    from sslskel.grid.request import GridRequest
    from sslskel.grid.run import BenchResult, bench, evaluate, pretrain, run_grid
    from sslskel.grid.runs import list_runs, prune
    from sslskel.grid.search import search
    from sslskel.grid.slurm import submit
    from sslskel.hashing import stable_id
    from sslskel.leaderboard.compare import compare
    from sslskel.leaderboard.folder import board_of
    from sslskel.leaderboard.formats.terminal import print_board
    from sslskel.nn.standardise import Standardise
    from sslskel.nn.teacher import Frozen, Teacher, follow
    from sslskel.plugins.registry import BACKBONES, BENCHMARKS, METHODS, PROTOCOLS
    from sslskel.plugins.scaffold import new_backbone, new_method, new_protocol
    from sslskel.progress import Reporter
    from sslskel.results.store import ResultStore
    from sslskel.speed.against import speed_against
    from sslskel.speed.estimate import plan
    from sslskel.speed.works import measure_speed
    from sslskel.transforms.clip import CentreCrop, RandomCrop, bone, motion
    from sslskel.transforms.views import crop_view, shifted_view

_PLACES = {
    "api.backbone": "Backbone Features LayeredTokenBackbone SequenceBackbone SparseTokenBackbone TokenBackbone "
    "valid_steps",
    "api.batch": "Batch StepOutput Term mean_term",
    "api.benchmark": "Benchmark ImportReport Split SplitRows",
    "api.classifier": "Classifier",
    "api.clips": "TrainingClips",
    "api.dataset": "Bools Clip Dataset DatasetInfo Floats Ints Segment Segments Track",
    "api.distributed": "clip_counts gather_rows is_first own_rows rank row_counts sum_over_processes world_size",
    "api.encoder": "Encoder PooledEncoder PreparedEncoder",
    "api.erratum": "Errata Erratum Shown",
    "api.method": "BuildBackbone MethodCard PretextMethod Progress",
    "api.noise": "Noise Per ReplayNoise",
    "api.origin": "Origin",
    "api.protocol": "ClipSet EvaluationProtocol Outcome Parts ProtocolRun Truth",
    "api.skeleton": "COCO17 NTU25 PARTS SkeletonLayout layout",
    "api.turn": "Turn",
    "api.view": "Augment ClipSpec Sampler ViewSpec",
    "checks": "CheckResult PluginCheck check_backbone check_dataset check_method check_protocol "
    "parametrize_with_checks",
    "config.groups": "EmptyBodies Fidelity Stream require",
    "config.modes": "mode_overrides",
    "data.drawing.draw": "draw_clip",
    "data.own.importing": "import_dataset",
    "data.prepare": "open_benchmark prepare",
    "encoders.embed": "embed",
    "encoders.estimator": "SkeletonEncoder",
    "encoders.export": "export",
    "encoders.hub": "push",
    "encoders.open": "OpenedEncoders fill_encoder load_encoder open_encoders",
    "errors": (
        "CheckpointError DataError Diverged Interrupted PluginError RunError SslskelError UsageError did_you_mean"
    ),
    "evaluation.features": "clip_features evaluating labelled",
    "evaluation.metrics": "aligned class_scores logit_scores",
    "grid.ensemble": "fused_by_seed",
    "grid.jobs": "bench_in_jobs",
    "grid.reproduce": "reproduce",
    "grid.request": "GridRequest",
    "grid.run": "BenchResult bench evaluate pretrain run_grid",
    "grid.runs": "list_runs prune",
    "grid.search": "search",
    "grid.slurm": "submit",
    "hashing": "stable_id",
    "leaderboard.compare": "compare",
    "leaderboard.folder": "board_of",
    "leaderboard.formats.terminal": "print_board",
    "api.schedules": "ConstantSchedule CosineSchedule LinearSchedule StepSchedule",
    "nn.standardise": "Standardise",
    "nn.teacher": "Frozen Teacher follow",
    "plugins.registry": "BACKBONES BENCHMARKS METHODS PROTOCOLS",
    "plugins.scaffold": "new_backbone new_method new_protocol",
    "progress": "Reporter",
    "results.store": "ResultStore",
    "speed.against": "speed_against",
    "speed.estimate": "plan",
    "speed.works": "measure_speed",
    "transforms.clip": "CentreCrop RandomCrop bone motion",
    "transforms.views": "crop_view shifted_view",
}
_MODULES = {name: module for module, names in _PLACES.items() for name in names.split()}

if not TYPE_CHECKING:  # else every name that there is not would pass as one

    def __getattr__(name: str) -> object:
        if name not in _MODULES:
            raise AttributeError(f"module 'sslskel' has no attribute '{name}'")
        return getattr(importlib.import_module(f"sslskel.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULES])


__all__ = [
    "BACKBONES",
    "BENCHMARKS",
    "COCO17",
    "METHODS",
    "NTU25",
    "PARTS",
    "PROTOCOLS",
    "Augment",
    "Backbone",
    "Batch",
    "BenchResult",
    "Benchmark",
    "Bools",
    "BuildBackbone",
    "CentreCrop",
    "CheckResult",
    "CheckpointError",
    "Classifier",
    "Clip",
    "ClipSet",
    "ClipSpec",
    "ConstantSchedule",
    "CosineSchedule",
    "DataError",
    "Dataset",
    "DatasetInfo",
    "Diverged",
    "EmptyBodies",
    "Encoder",
    "Errata",
    "Erratum",
    "EvaluationProtocol",
    "Features",
    "Fidelity",
    "Floats",
    "Frozen",
    "GridRequest",
    "ImportReport",
    "Interrupted",
    "Ints",
    "LayeredTokenBackbone",
    "LinearSchedule",
    "MethodCard",
    "Noise",
    "OpenedEncoders",
    "Origin",
    "Outcome",
    "Parts",
    "Per",
    "PluginCheck",
    "PluginError",
    "PooledEncoder",
    "PreparedEncoder",
    "PretextMethod",
    "Progress",
    "ProtocolRun",
    "RandomCrop",
    "ReplayNoise",
    "Reporter",
    "ResultStore",
    "RunError",
    "Sampler",
    "Segment",
    "Segments",
    "SequenceBackbone",
    "Shown",
    "SkeletonEncoder",
    "SkeletonLayout",
    "SparseTokenBackbone",
    "Split",
    "SplitRows",
    "SslskelError",
    "Standardise",
    "StepOutput",
    "StepSchedule",
    "Stream",
    "Teacher",
    "Term",
    "TokenBackbone",
    "Track",
    "TrainingClips",
    "Truth",
    "Turn",
    "UsageError",
    "ViewSpec",
    "aligned",
    "bench",
    "bench_in_jobs",
    "board_of",
    "bone",
    "check_backbone",
    "check_dataset",
    "check_method",
    "check_protocol",
    "class_scores",
    "clip_counts",
    "clip_features",
    "compare",
    "crop_view",
    "did_you_mean",
    "draw_clip",
    "embed",
    "evaluate",
    "evaluating",
    "export",
    "fill_encoder",
    "follow",
    "fused_by_seed",
    "gather_rows",
    "import_dataset",
    "is_first",
    "labelled",
    "layout",
    "list_runs",
    "load_encoder",
    "logit_scores",
    "mean_term",
    "measure_speed",
    "mode_overrides",
    "motion",
    "new_backbone",
    "new_method",
    "new_protocol",
    "open_benchmark",
    "open_encoders",
    "own_rows",
    "parametrize_with_checks",
    "plan",
    "prepare",
    "pretrain",
    "print_board",
    "prune",
    "push",
    "rank",
    "reproduce",
    "require",
    "row_counts",
    "run_grid",
    "search",
    "shifted_view",
    "speed_against",
    "stable_id",
    "submit",
    "sum_over_processes",
    "valid_steps",
    "world_size",
]
