"""Splits of an imported dataset: as its table states them, or by a rule over subjects, cameras or setups.

Validation subjects are always taken from the training part, and never shared with the test part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sslskel.api.benchmark import Split
from sslskel.api.dataset import Dataset
from sslskel.data.own.numbering import FIELDS, Numbering, natural
from sslskel.data.own.recordings import Recording
from sslskel.errors import DataError, UsageError, did_you_mean
from sslskel.hashing import stable_id

RULE_NAMES = {"subject": "xsub", "camera": "xview", "setup": "xset"}
SHOWN_FAULTS = 3
"""Clips left out that an error names with their reasons."""
VALIDATION_SHARE = 0.2
"""Share of the training subjects that model selection may hold out by default."""


@dataclass(frozen=True)
class Rule:
    """What a person asks for where the table has no split: a field, and which of its values train."""

    by: str = "subject"
    train: tuple[str, ...] | None = None
    """None: every other value, from the first."""
    validation: tuple[str, ...] | None = None
    """Subjects; None: the last fifth of the training subjects, one at least."""


def splits_of(recordings: Sequence[Recording], numbering: Numbering, rule: Rule) -> dict[str, dict[str, Any]]:
    """Split -> plain data, read back by :func:`split_from`; the first is the default.

    Raises ``DataError`` where neither a split nor the rule's field is stated, ``UsageError`` for a
    value that no clip has.
    """
    stated = list(dict.fromkeys(split for recording in recordings for split in recording.parts))
    if stated and rule.train is not None:
        raise UsageError(f"the clips state the split '{stated[0]}' already; leave --train out, or remove the split")
    if stated:
        return {name: _stated(name, recordings, numbering, rule) for name in stated}
    return {RULE_NAMES[rule.by]: _by_rule(recordings, numbering, rule)}


def split_from(name: str, data: Mapping[str, Any], dataset: str) -> Split:
    """The split that :func:`splits_of` wrote down; clips are named there and numbered here."""
    by_clip = data["by"] == "clip"

    def values(words: Iterable[Any]) -> frozenset[int]:
        return frozenset(stable_id(dataset, str(word)) if by_clip else int(word) for word in words)

    return Split(
        name=name,
        by=str(data["by"]),
        train=values(data["train"]),
        validation=frozenset(int(subject) for subject in data["validation"]),
        test=values(data["test"]),
        warning=str(data["warning"]),
    )


def check_parts(
    dataset: Dataset,
    splits: Mapping[str, Mapping[str, Any]],
    recordings: Sequence[Recording],
    numbering: Numbering,
    dropped: Mapping[str, str],
) -> None:
    """Raise ``DataError`` where a part of a split is empty since its clips were left out; ``dropped`` says why."""
    for name, data in splits.items():
        split = split_from(name, data, dataset.info.name)
        members = {part: frozenset(data[part]) for part in ("train", "test", "validation")}
        for part in ("train", "test", *(("validation", "fit") if split.validation else ())):
            try:
                split.part(dataset, part)
            except DataError as fault:
                lost = [r for r in recordings if r.name in dropped and _is_in(r, data["by"], members, part, numbering)]
                if not lost:
                    raise
                reasons = "; ".join(dropped[recording.name].partition(": ")[2] for recording in lost[:SHOWN_FAULTS])
                more = f"; and {len(lost) - SHOWN_FAULTS} more" if len(lost) > SHOWN_FAULTS else ""
                count = f"its {len(lost)} clips" if len(lost) > 1 else "its only clip"
                raise DataError(f"{fault}: {count} cannot be read: {reasons}{more}") from fault


def _is_in(
    recording: Recording, by: str, members: Mapping[str, frozenset[Any]], part: str, numbering: Numbering
) -> bool:
    """Whether a clip belongs to a part of a split; the training part includes those held out for validation."""
    own = recording.name if by == "clip" else numbering.number(by, getattr(recording, by))
    held = numbering.number("subject", recording.subject) in members["validation"]
    if part in ("train", "test"):
        return own in members[part]
    return own in members["train"] and held == (part == "validation")


def _stated(name: str, recordings: Sequence[Recording], numbering: Numbering, rule: Rule) -> dict[str, Any]:
    """A split as the table says, clip by clip."""
    parts: dict[str, list[Recording]] = {"train": [], "test": [], "validation": [], "": []}
    for recording in recordings:
        parts[recording.parts.get(name, "")].append(recording)
    train = [*parts["train"], *parts["validation"]]
    for part, members in (("train", train), ("test", parts["test"])):
        if not members:
            raise DataError(f"split '{name}' has no clip in its part '{part}'; write '{part}' into some rows")
    held = _held_out(name, parts["train"], parts["validation"])
    validation = [numbering.number("subject", word) for word in held or _validation(train, numbering, rule)]
    return {
        "by": "clip",
        "train": sorted(recording.name for recording in train),
        "test": sorted(recording.name for recording in parts["test"]),
        "validation": sorted(validation),
        "warning": _warning(train, parts["test"], shared=True),
    }


def _held_out(name: str, train: Sequence[Recording], validation: Sequence[Recording]) -> list[str]:
    """The subjects of the stated validation clips, which must have no clips in other parts."""
    for recording in validation:
        if not recording.subject:
            raise DataError(
                f"{recording.where} is in the validation part of split '{name}' and names no subject; add a column"
                " 'subject' (validation holds out subjects of the training part), or write 'train'"
            )
    held = {recording.subject for recording in validation}
    for recording in train:
        if recording.subject in held:
            raise DataError(
                f"{recording.where} is in the training part of split '{name}', but other clips of its subject"
                f" '{recording.subject}' are in validation; put all clips of a subject into one of them"
            )
    return sorted(held, key=natural)


def _warning(train: Sequence[Recording], test: Sequence[Recording], shared: bool) -> str:
    """What every board that uses the split must say; who asks for a split by camera knows that subjects are shared."""
    subjects = {recording.subject for recording in train if recording.subject}
    both = subjects & {recording.subject for recording in test}
    known = {recording.label for recording in train}
    unseen = sorted({recording.label for recording in test if recording.label} - known, key=natural)
    faults = [f"{len(both)} subjects are in train and in test"] if both and shared else []
    if unseen:
        faults.append(f"no training clip of class {', '.join(unseen[:5])}{' ...' if len(unseen) > 5 else ''}")
    return "; ".join(faults)


def _by_rule(recordings: Sequence[Recording], numbering: Numbering, rule: Rule) -> dict[str, Any]:
    if rule.by not in FIELDS:
        raise UsageError(f"--split-by {rule.by} is not one of {', '.join(FIELDS)}")
    for recording in recordings:
        if not getattr(recording, rule.by):
            raise DataError(
                f"{recording.where} names no {rule.by}, and no split is stated; add a column '{rule.by}' or a column"
                " 'split' with train and test"
            )
    values = sorted({getattr(recording, rule.by) for recording in recordings}, key=natural)
    if len(values) < 2:
        raise DataError(
            f"all clips are of one {rule.by} ('{values[0]}'), which cannot be split into train and test; add a column"
            " 'split' with train and test"
        )
    train = _known(rule.train, values, rule.by) if rule.train is not None else values[::2]
    trains = set(train)
    test = [value for value in values if value not in trains]
    if not test:
        raise UsageError(f"--train names every {rule.by}, which leaves none for the test part; leave some out")
    training = [recording for recording in recordings if getattr(recording, rule.by) in trains]
    others = [recording for recording in recordings if getattr(recording, rule.by) not in trains]
    return {
        "by": rule.by,
        "train": sorted(numbering.number(rule.by, value) for value in train),
        "test": sorted(numbering.number(rule.by, value) for value in test),
        "validation": sorted(numbering.number("subject", word) for word in _validation(training, numbering, rule)),
        "warning": _warning(training, others, shared=False),
    }


def _known(words: Sequence[str], values: Sequence[str], field: str) -> list[str]:
    known = set(values)
    for word in words:
        if word not in known:
            some = ", ".join(values[:12]) + (" ..." if len(values) > 12 else "")
            raise UsageError(f"no clip is of {field} '{word}'{did_you_mean(word, values)} ({field}s: {some})")
    return list(words)


def _validation(train: Sequence[Recording], numbering: Numbering, rule: Rule) -> list[str]:
    """Subjects of the training part to hold out; none where subjects are not known or too few."""
    subjects = sorted({recording.subject for recording in train if recording.subject}, key=natural)
    if rule.validation is not None:
        held = _known(rule.validation, subjects, "training subject")
        if set(held) == set(subjects):
            raise UsageError("--validation names every training subject, which leaves none to train on; leave some out")
        return held
    if len(subjects) < 2 or any(not recording.subject for recording in train):
        return []
    return subjects[-max(1, round(VALIDATION_SHARE * len(subjects))) :]
