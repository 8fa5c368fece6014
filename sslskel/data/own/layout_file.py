"""The layout file of an imported dataset: the joints and their tree, and what is true of all recordings.

Joints are given by name, ``joint: parent``, in the order of the arrays. Where the
clips are is in the table (``clip_table.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from sslskel.api.skeleton import MOST_JOINTS, PARTS, SkeletonLayout
from sslskel.data.own.bodies import BODIES
from sslskel.data.own.missing import FILLS, MissingRule, parse_missing
from sslskel.data.own.text_form import TextForm
from sslskel.data.own.yaml_nodes import Node, read_override, read_yaml
from sslskel.errors import DataError, UsageError, did_you_mean
from sslskel.plugins.presets import read_preset

VALUES = {"xy": 2, "xyz": 3, "xyc": 3, "xyzc": 4}
"""What the numbers of a joint mean -> how many there are; ``c`` is a confidence, which is left out."""
MOST_KEPT = 10
"""Persons that a clip may have."""
TEXT_KEYS = ("line", "skip", "skip_per_frame", "lines_per_joint")
"""What ``text`` may say."""
KEYS = (
    *("layout", "name", "joints", "centre", "swaps", "parts"),
    *("fps", "recorded_fps", "unit", "scale", "coordinates", "axes", "persons", "missing", "fill", "text"),
    *("classes", "title", "licence", "citation", "preset"),
)
"""What a layout file may say."""


@dataclass(frozen=True)
class Description:
    """What a person says of a set before a clip is read; None where it says nothing."""

    layout: SkeletonLayout | None = None
    fps: float | None = None
    recorded_fps: float | None = None
    """Of files that do not say their own rate, where it is another than ``fps``."""
    unit: str | None = None
    scale: float = 1.0
    """Every stored coordinate is the recorded one times this, in ``unit``."""
    coordinates: str | None = None
    """A key of :data:`VALUES`."""
    axes: str | None = None
    """Order of the axes of an array: T, V, C and perhaps M, for instance ``TVC`` or ``MTVC``."""
    persons: int | None = None
    """How many to keep of clips that show more: those who move most."""
    text: TextForm | None = None
    """What a line of a text file without a header holds."""
    missing: MissingRule = field(default_factory=MissingRule)
    classes: tuple[str, ...] | None = None
    title: str = ""
    licence: str = ""
    citation: str = ""
    preset: str = "cpu"


def read_description(layout: Path | str | None, overrides: Sequence[str] = ()) -> Description:
    """The description in a layout file, or the body of that name; ``overrides`` are ``KEY=VALUE`` and win over it.

    Raises ``DataError`` naming file and line for unknown keys, joints, parents and parts,
    a circle, no root or several; ``UsageError`` for an override that is none.
    """
    path, nodes = Path("layout"), {}
    known = BODIES.get(str(layout)) if layout is not None and not Path(layout).is_file() else None
    if layout is not None and known is None:
        path = Path(layout)
        if not path.exists():
            names = ", ".join(BODIES)
            raise DataError(
                f"there is no layout file '{path}', and no known layout of that name{did_you_mean(path.name, BODIES)}"
                f" (known: {names})"
            )
        nodes = dict(read_yaml(path).items())
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            raise UsageError(f"'{override}' is not a KEY=VALUE of a layout file; write for instance persons=2")
        nodes[key.strip()] = read_override(key.strip(), value)
    for key, node in nodes.items():
        if key not in KEYS:
            raise node.fault(f"there is no key '{key}'{did_you_mean(key, KEYS)} (keys: {', '.join(KEYS)})")
    described = _described(path, {key: node for key, node in nodes.items() if not node.empty()})
    return described if known is None else replace(described, layout=described.layout or known.layout)


def _described(path: Path, nodes: Mapping[str, Node]) -> Description:
    words = ("unit", "title", "licence", "citation", "preset")
    texts: dict[str, Any] = {key: nodes[key].text() for key in words if key in nodes}
    if "preset" in texts:
        _require_preset(nodes["preset"])
    rates = ("fps", "recorded_fps", "scale")
    numbers: dict[str, Any] = {key: nodes[key].number() for key in rates if key in nodes}
    return Description(
        layout=_layout(path, nodes),
        coordinates=_coordinates(nodes.get("coordinates")),
        axes=_axes(nodes.get("axes")),
        persons=_persons(nodes.get("persons")),
        missing=_missing(nodes.get("missing"), nodes.get("fill")),
        text=_text(nodes.get("text")),
        classes=_classes(nodes.get("classes")),
        **texts,
        **numbers,
    )


def _require_preset(node: Node) -> None:
    try:
        read_preset(node.text())
    except UsageError as fault:
        raise node.fault(str(fault)) from None


def _persons(node: Node | None) -> int | None:
    if node is None:
        return None
    number = node.number()
    if not number.is_integer() or number > MOST_KEPT:
        raise node.fault(f"persons is '{node.text()}'; it must be a whole number from 1 to {MOST_KEPT}")
    return int(number)


def _text(node: Node | None) -> TextForm | None:
    """``text: LINE``, or a mapping of ``line`` and how many lines are left out where."""
    if node is None:
        return None
    if not node.is_mapping():
        return TextForm(node.text())
    entries = dict(node.items())
    for key, entry in entries.items():
        if key not in TEXT_KEYS:
            raise entry.fault(f"'text' has no key '{key}'{did_you_mean(key, TEXT_KEYS)} (keys: {', '.join(TEXT_KEYS)})")
    if "line" not in entries:
        raise node.fault("'text' needs 'line', which says what a line holds, for instance 'frame xyz*'")
    counts = {key: _whole(entry) for key, entry in entries.items() if key != "line"}
    return TextForm(entries["line"].text(), **counts)


def _whole(node: Node) -> int:
    number = node.number()
    if not number.is_integer():
        raise node.fault(f"'{node.text()}' is not a whole number above 0")
    return int(number)


def _missing(node: Node | None, fill: Node | None) -> MissingRule:
    fields: dict[str, Any] = {}
    if node is not None:
        try:
            fields = parse_missing(", ".join(node.texts()))
        except ValueError as fault:
            raise node.fault(str(fault)) from None
    if fill is not None:
        if fill.text() not in FILLS:
            raise fill.fault(f"fill is '{fill.text()}'; it is one of {', '.join(FILLS)}")
        fields["fill"] = fill.text()
    return MissingRule(**fields)


def checked_axes(axes: str) -> str:
    """An order of axes in capitals; raises ``ValueError`` unless it has T, V, C once, M at most once, nothing else."""
    letters = axes.upper()
    if sorted(letters.replace("M", "", 1)) != ["C", "T", "V"]:
        raise ValueError(
            f"'{axes}' is not an order of axes; write T, V, C and, for several persons, M once each, for instance MTVC"
        )
    return letters


def _axes(node: Node | None) -> str | None:
    try:
        return None if node is None else checked_axes(node.text())
    except ValueError as fault:
        raise node.fault(str(fault)) from None  # type: ignore[union-attr]  # without a node nothing raises


def _coordinates(node: Node | None) -> str | None:
    if node is not None and node.text() not in VALUES:
        raise node.fault(f"coordinates '{node.text()}' are not known; give one of {', '.join(VALUES)}")
    return None if node is None else node.text()


def _classes(node: Node | None) -> tuple[str, ...] | None:
    if node is None:
        return None
    names = [element.text() for element in node.list()]
    times = Counter(names)
    for name, element in zip(names, node.list(), strict=True):
        if times[name] > 1:
            raise element.fault(f"class '{name}' is listed twice; class names must differ")
    return tuple(names)


def _layout(path: Path, nodes: Mapping[str, Node]) -> SkeletonLayout | None:
    if "joints" in nodes:
        if "layout" in nodes:
            raise nodes["layout"].fault("the file has 'layout' and 'joints'; name a known layout or write joints")
        return _written_layout(path, nodes)
    for key in ("centre", "swaps", "parts", "name"):
        if key in nodes:
            raise nodes[key].fault(f"'{key}' needs 'joints', one 'joint: parent' per line")
    if "layout" in nodes:
        name = nodes["layout"].text()
        if name not in BODIES:
            known = ", ".join(BODIES)
            raise nodes["layout"].fault(f"there is no layout '{name}'{did_you_mean(name, BODIES)} ({known})")
        return BODIES[name].layout
    return None


def _written_layout(path: Path, nodes: Mapping[str, Node]) -> SkeletonLayout:
    tree = dict(nodes["joints"].items())
    if not tree:
        raise nodes["joints"].fault("there is no joint; write one 'joint: parent' per line")
    if len(tree) > MOST_JOINTS:
        raise nodes["joints"].fault(f"there are {len(tree):,} joints; a body has at most {MOST_JOINTS:,} here")
    parents = {joint: None if node.empty() else _joint(node, tree) for joint, node in tree.items()}
    roots = [joint for joint, parent in parents.items() if parent is None]
    _refuse_circles(tree, parents)
    if len(roots) > 1:
        names = "', '".join(roots[:3])
        raise tree[roots[1]].fault(f"'{names}' have no parent; a body has one root, so give the others a parent")
    at = {joint: number for number, joint in enumerate(tree)}
    return SkeletonLayout(
        name=nodes["name"].text() if "name" in nodes else path.stem,
        joints=tuple(tree),
        parents=tuple(-1 if parent is None else at[parent] for parent in parents.values()),
        centre=at[_joint(nodes["centre"], tree)] if "centre" in nodes else at[roots[0]],
        swaps=_swaps(nodes.get("swaps"), at),
        parts=_parts(nodes.get("parts"), at),
    )


def _joint(node: Node, joints: Mapping[str, object]) -> str:
    name = node.text()
    if name not in joints:
        raise node.fault(f"there is no joint '{name}'{did_you_mean(name, joints)} (joints are named under 'joints:')")
    return name


def _refuse_circles(tree: Mapping[str, Node], parents: Mapping[str, str | None]) -> None:
    safe: set[str] = set()
    for joint in parents:
        way: dict[str, None] = {}
        at: str | None = joint
        while at is not None and at not in safe:
            if at in way:
                steps = list(way)
                circle = " -> ".join((*steps[steps.index(at) :], at))
                raise tree[at].fault(f"the parents form a cycle ({circle}); one joint must have no parent")
            way[at] = None
            at = parents[at]
        safe.update(way)


def _swaps(node: Node | None, at: Mapping[str, int]) -> tuple[tuple[int, int], ...]:
    """Pairs of left and right: as written, else those whose names differ in ``left_`` and ``right_`` alone."""
    if node is None:
        pairs = ((joint, "right_" + joint[5:]) for joint in at if joint.startswith("left_"))
        return tuple((at[left], at[right]) for left, right in pairs if right in at)
    swaps = []
    used: set[str] = set()
    for pair in node.list():
        names = [_joint(element, at) for element in pair.list()]
        if len(names) != 2 or len(set(names)) != 2 or used & set(names):
            raise pair.fault("a swap is a pair [left, right] of two joints, and a joint is in one pair at most")
        used.update(names)
        swaps.append((at[names[0]], at[names[1]]))
    return tuple(swaps)


def _parts(node: Node | None, at: Mapping[str, int]) -> dict[str, tuple[int, ...]]:
    groups: dict[str, tuple[int, ...]] = {}
    for name, members in [] if node is None else node.items():
        if name not in PARTS:
            raise members.fault(f"there is no part '{name}'{did_you_mean(name, PARTS)} (parts: {', '.join(PARTS)})")
        groups[name] = tuple(_unique(members, [at[_joint(element, at)] for element in members.list()]))
    return groups


def _unique(node: Node, joints: Sequence[int]) -> Sequence[int]:
    if not joints or len(set(joints)) != len(joints):
        raise node.fault("a body part lists at least one joint, and none twice")
    return joints
