"""Makes encoders read a benchmark that they were not pretrained on: joints, persons, origin.

For who is judged on what see ``sslskel.grid``; which joints are the same is in ``joint_map``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sslskel.api.common_body import COMMON_BODY
from sslskel.api.dataset import DatasetInfo
from sslskel.api.encoder import Encoder, PooledEncoder
from sslskel.api.skeleton import SkeletonLayout
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.data.loader import JointsRead
from sslskel.encoders.joint_map import map_joints, same_joints
from sslskel.errors import UsageError
from sslskel.transforms.clip import CentreFirst


@dataclass(frozen=True)
class JointReading:
    """How the joints of a dataset reach an encoder."""

    joints: tuple[int, ...] | None
    """(V of the encoder) joints of the dataset; None where both bodies are the same."""
    facts: dict[str, Any]
    """For the record: how many of the encoder's joints the dataset has. Empty without a map."""
    known: tuple[bool, ...] = ()
    """(V of the encoder) which of its joints the dataset has, for an encoder of the common body alone."""

    @property
    def read(self) -> JointsRead | None:
        """What a ``ClipSource`` needs of it."""
        return None if self.joints is None else JointsRead(self.joints, self.known)


def reading_of(spec: ClipSpec, info: DatasetInfo) -> JointReading:
    """How a dataset is read in clips of a kind, and what the record says of it; raises as :func:`joint_reading`."""
    reading = joint_reading(spec.layout, spec.coordinates, info)
    if not spec.resampled:
        return reading
    rates = {"frames_per_second": {"recorded": info.fps, "read": spec.fps}}
    return replace(reading, facts={**reading.facts, **rates})


def joint_reading(reader: SkeletonLayout, coordinates: int, info: DatasetInfo) -> JointReading:
    """How an encoder for the body ``reader`` with this many coordinates reads a dataset.

    Raises ``UsageError`` where one is 2D and the other 3D, ``DataError`` where the bodies
    share no joint.
    """
    if coordinates != info.coordinates:
        raise UsageError(
            f"the encoder is for {reader.num_joints} joints in {coordinates}D ({reader.name}), but '{info.name}' has"
            f" {info.layout.num_joints} in {info.coordinates}D ({info.layout.name}); no joint mapping helps"
        )
    if same_joints(reader, info.layout):
        return JointReading(None, {})
    mapping = map_joints(reader, info.layout)
    facts = {
        "from_layout": reader.name,
        "to_layout": info.layout.name,
        "same_joints": mapping.same,
        "of_joints": reader.num_joints,
    }
    return JointReading(mapping.read, {"joints": facts}, mapping.known if reader == COMMON_BODY else ())


def prepare_encoders(
    encoders: Mapping[str, Encoder], info: DatasetInfo, recipe: Mapping[str, Any], cross_dataset: bool
) -> JointReading:
    """Fit encoders to a dataset in place and say how they read it.

    Persons are averaged over as many as a clip of the dataset can have. Encoders of
    ``cross_dataset`` also move the origin where the benchmark's recipe asks for it
    and their own views do not. Raises what :func:`joint_reading` raises, and ``UsageError`` where
    the dataset has more persons than a network that reads them all at once.
    """
    reading = JointReading(None, {})
    for stream, encoder in encoders.items():
        reading = reading_of(encoder.spec, info)
        if info.persons != encoder.spec.persons:
            _set_persons(stream, encoder, info)
        if cross_dataset and recipe.get("clip", {}).get("centre") == "first":
            encoder.spec = _centred(encoder.spec)
    return reading


def _set_persons(stream: str, encoder: Encoder, info: DatasetInfo) -> None:
    apart = isinstance(encoder, PooledEncoder) and not encoder.backbone.joins_persons
    if apart:
        encoder.spec = replace(encoder.spec, persons=info.persons)
    elif info.persons > encoder.spec.persons:
        raise UsageError(
            f"the {stream} encoder reads {encoder.spec.persons} persons at once, but clips of '{info.name}' have up to"
            f" {info.persons}; evaluate it on a benchmark of at most {encoder.spec.persons}"
        )


def _centred(spec: ClipSpec) -> ClipSpec:
    return spec.with_views("this encoder", _with_origin)


def _with_origin(view: ViewSpec) -> ViewSpec:
    if any(isinstance(augment, CentreFirst) for augment in view.augment):
        return view
    return replace(view, augment=(CentreFirst(), *view.augment))
