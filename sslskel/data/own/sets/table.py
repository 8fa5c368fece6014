"""All forms of whole sets, and reading one: another form is a module like the others and a branch here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sslskel.api.skeleton import SkeletonLayout
from sslskel.data.own.formats.json_text import load_json
from sslskel.data.own.formats.kind import Source
from sslskel.data.own.layout_file import Description
from sslskel.data.own.pickles.unpickler import load_plain
from sslskel.data.own.recordings import Recording
from sslskel.data.own.sets import kinetics, stgcn
from sslskel.data.own.sets.labelled_npz import read_labelled
from sslskel.data.own.sets.pyskl import read_annotations
from sslskel.errors import DataError, UsageError

ENDINGS = (".pkl", ".pickle", ".npz", ".npy", ".json")
"""Of files that hold or name a whole set; any other one is a labels table."""
FORMS = (
    "`.pkl`: pickles of pyskl and MMAction2, with splits or one file each of train and val",
    "`.npz`: `x_train`, `y_train`, `x_test`, `y_test`, labels as numbers or one-hot rows, as `NTU60_CS.npz` has them",
    "`train_label.pkl` and `val_label.pkl` with `train_data.npy` or `train_data_joint.npy` beside them (ST-GCN)",
    "`kinetics_train_label.json` and `kinetics_val_label.json` with their folders beside them",
)
"""What can be read, for people."""


def is_set(paths: Sequence[Path]) -> bool:
    """Whether files hold a set of their own, and are no labels table."""
    return all(path.suffix.lower() in ENDINGS for path in paths)


def read_set(
    paths: Sequence[Path], described: Description, layout: SkeletonLayout, notes: list[str]
) -> list[Recording]:
    """The recordings of a whole set; raises ``DataError`` for files that are none, or of different forms."""
    endings = {path.suffix.lower() for path in paths}
    source = Source(paths[0], layout, described)
    if endings == {".npz"} and len(paths) == 1:
        return read_labelled(paths[0], described, layout, notes)
    if endings == {".json"}:
        labels = [(path, load_json(path)) for path in paths]
        if not all(kinetics.is_label_file(value) for _, value in labels):
            raise DataError(f"'{paths[0]}' does not map clips to labels; give a labels table (--clips TABLE)")
        return kinetics.read_label_files(labels, source, notes)
    if endings == {".npy"}:
        paths, endings = [stgcn.label_file(path) for path in paths], {".pkl"}
    if endings <= {".pkl", ".pickle"}:
        values = [(path, load_plain(path)) for path in paths]
        if all(stgcn.is_label_file(value) for _, value in values):
            return stgcn.read_label_files(values, source, notes)
        return read_annotations(values, notes)
    raise UsageError(f"{', '.join(map(str, paths))} are not of one form; give the files of one set")
