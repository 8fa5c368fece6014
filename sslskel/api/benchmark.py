"""What a benchmark is: pure data about a dataset, its splits and its literature.

Importers are in ``benchmarks/``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from sslskel.api.copies import copied_rows
from sslskel.api.dataset import Bools, Clip, Dataset, DatasetInfo, Ints
from sslskel.errors import DataError, UsageError, did_you_mean

HELD_OUT = "-validation"
"""Suffix of the name of a validation split; see :meth:`Split.for_choosing`."""
CLEAN = "-clean"
"""Suffix of the name of a split without copies; see :meth:`Split.without_copies`."""


@dataclass(frozen=True)
class SplitRows:
    """Clip rows of every part of a split of one dataset, computed once."""

    train: Ints
    test: Ints
    fit: Ints | None = None
    """``train`` without ``validation``; both are None if nothing is held out."""
    validation: Ints | None = None


@dataclass(frozen=True)
class Split:
    """An official split as a rule over one index field.

    ``by`` is ``subject``, ``camera``, ``setup``, ``clip``, whose values are the keys of single
    clips, or ``list``: 1 for clips in the source's list of this name, else 0.
    ``test=None`` means every value that is not in ``train``. ``validation`` are SUBJECTS of the
    training part that model selection may hold out; the official training part includes them.
    ``without`` are clip names left out of the test part.
    """

    name: str
    by: str
    train: frozenset[int]
    validation: frozenset[int]
    test: frozenset[int] | None = None
    without: frozenset[str] = frozenset()
    warning: str = ""
    """Shown on every board that uses this split."""
    official: str = ""
    """For a validation split, the name of the official split whose training part it divides."""
    clean: bool = False
    """Whether test clips that share frames with training clips are left out."""
    also: Split | None = None
    """A second rule that a clip must meet too: in the training part of both rules, or in the test part of both.
    Other clips are in neither part. Its parts may be equal, where both parts take the same cameras only."""

    def for_choosing(self) -> Split:
        """The split of this training part: its validation subjects are the test part, the others are trained on.
        Scores on it may be used to choose options, since it has no clip of the official test part.
        """
        purpose = f"for choosing options: the test part is held-out training subjects of {self.name}"
        warning = f"{purpose}; {self.warning}" if self.warning else purpose
        return replace(self, name=self.name + HELD_OUT, official=self.name, warning=warning)

    def without_copies(self) -> Split:
        """The split without the test clips that share frames with training clips (see ``Dataset.copies``)."""
        warning = f"of the whole {self.name}: {self.warning}" if self.warning else ""
        return replace(self, name=self.name + CLEAN, clean=True, warning=warning)

    def copied(self, dataset: Dataset) -> Ints:
        """Sorted rows of the test part that share frames with clips of the training part, or are copies of some."""
        return copied_rows(dataset.copies(), dataset.lengths, *map(np.flatnonzero, self.masks(dataset)))

    def values(self, dataset: Dataset) -> Ints:
        """(n,) the value of ``by`` for every clip."""
        if self.by == "list":
            return (dataset.lists >> dataset.info.lists.index(self.official or self.name)) & 1
        fields = {"subject": dataset.subjects, "camera": dataset.cameras, "setup": dataset.setups}
        return dataset.keys if self.by == "clip" else fields[self.by]

    def holds_out(self, dataset: Dataset) -> bool:
        """Whether the training part has clips for model selection."""
        if self.official:
            return False
        train, _ = self.masks(dataset)
        return bool((train & np.isin(dataset.subjects, sorted(self.validation))).any())

    def masks(self, dataset: Dataset) -> tuple[Bools, Bools]:
        """(n,) whether each clip is in the official training part, and whether in the test part."""
        train, test = self._met(dataset)
        test &= ~train
        if self.clean:
            test[copied_rows(dataset.copies(), dataset.lengths, *map(np.flatnonzero, (train, test)))] = False
        return train, test

    def _met(self, dataset: Dataset) -> tuple[Bools, Bools]:
        """(n,) whether each clip meets the rules of the training part, and whether those of the test part."""
        values = self.values(dataset)
        train = np.isin(values, sorted(self.train))
        test = ~train if self.test is None else np.isin(values, sorted(self.test))
        test &= ~np.isin(dataset.names, sorted(self.without))
        if self.also is None:
            return train, test
        other_train, other_test = self.also._met(dataset)
        return train & other_train, test & other_test

    def rows(self, dataset: Dataset) -> SplitRows:
        """Rows of every part; raises ``DataError`` where one has no clip."""
        train, test = self.part(dataset, "train"), self.part(dataset, "test")
        if not self.holds_out(dataset):
            return SplitRows(train, test)
        return SplitRows(train, test, self.part(dataset, "fit"), self.part(dataset, "validation"))

    def part(self, dataset: Dataset, part: str) -> Ints:
        """Sorted clip rows of ``train``, ``test``, ``validation`` or ``fit`` (train less validation).

        Raises ``DataError`` where a part has no clip.
        """
        train, test = self.masks(dataset)
        held = train & np.isin(dataset.subjects, sorted(self.validation))
        if self.official:
            parts = {"train": train & ~held, "test": held}
            chosen = parts.get(part, np.zeros_like(held))
        elif part == "train":
            chosen = train
        elif part == "validation":
            chosen = held
        elif part == "fit":
            chosen = train & ~held
        elif part == "test":
            chosen = test
        else:
            raise UsageError(f"there is no part '{part}'; parts are train, test, validation, fit")
        if not chosen.any():
            raise DataError(f"split '{self.name}' of '{dataset.info.name}' has no clip in its part '{part}'")
        return np.flatnonzero(chosen).astype(np.int64)


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


@dataclass
class ImportReport:
    """The report of an import; saved beside the data."""

    dropped: dict[str, str] = field(default_factory=dict)
    """Clip or file name -> reason, for those that a rule of the dataset or recipe leaves out."""
    faults: dict[str, str] = field(default_factory=dict)
    """File -> error, for those that could not be used."""
    tally: dict[str, int] = field(default_factory=dict)
    """What the recipe did -> number of clips, files or frames."""
    notes: list[str] = field(default_factory=list)
    source: dict[str, str] = field(default_factory=dict)
    """Source file -> sha256."""
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Part -> (clips found, clips expected)."""
    plan: str = ""
    """Digest of the files to read; empty where the importer does not plan."""


Importer = Callable[[Sequence[Path], ImportReport], Iterator[Clip]]


@dataclass(frozen=True)
class Benchmark:
    """A benchmark: dataset, importer, splits, literature. Pure data.

    ``read(sources, report)`` yields clips in a stable order and raises ``DataError``
    naming the file and the fault. An embedded benchmark needs no source.
    """

    name: str
    version: int
    title: str
    info: DatasetInfo
    read: Importer
    splits: Mapping[str, Split]
    default_split: str
    citation: str
    licence: str
    embedded: bool = False
    preset: str = "released"
    """The preset that ``bench`` uses where none is named."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Defaults for its clips, by configuration group; presets may change them."""
    expected: Mapping[str, int] = field(default_factory=dict)
    """Counts to check after an import: ``clips``, ``<split>/train``, ``<split>/test``."""
    spare_classes: bool = False
    """Whether some classes have no clip, because a family of datasets shares class numbers."""
    recordings: str = ""
    """Name of its recordings, where several benchmarks share recordings and clip names (NTU-120 contains NTU-60); by
    default the dataset's own name. The leakage check uses it."""
    published: Path | None = None
    """File of published numbers beside the benchmark module: ``Path(__file__).with_name("published.csv")``."""
    command: str = ""
    """The command that makes it, if not ``sslskel data prepare``."""

    def split(self, name: str | None = None) -> Split:
        """A split by name, or the default one; ``NAME-validation`` is the validation split of ``NAME``, and
        ``NAME-clean`` the same split without test clips that share frames with training clips.

        Raises ``UsageError`` for an unknown name.
        """
        name = name or self.default_split
        official = name.removesuffix(HELD_OUT)
        if name not in self.splits and official in self.splits:
            return self.splits[official].for_choosing()
        if name not in self.splits and name.removesuffix(CLEAN) in self.splits:
            return self.splits[name.removesuffix(CLEAN)].without_copies()
        if name not in self.splits:
            raise UsageError(
                f"benchmark '{self.name}' has no split '{name}'{did_you_mean(name, self.splits)}"
                f" (it has: {', '.join(self.splits)})"
            )
        return self.splits[name]
