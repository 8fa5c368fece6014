"""Files that hold whole sets, with labels and splits, as the projects of the field write them."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from own_cases import dense
from own_sets import CHAIN, opened, write_layout, write_set

from sslskel.cli import main
from sslskel.data.own.importing import import_dataset
from sslskel.data.own.sets.parts import part_in
from sslskel.data.own.sets.table import FORMS
from sslskel.errors import SslskelError

RNG = np.random.default_rng(0)
CLIPS = RNG.normal(0, 0.4, (6, 2, 20, 25, 3)).astype(np.float32)
"""(N, M, T, V, C), the second person in every second clip alone."""
CLIPS[::2, 1] = 0
CLIPS[:, :, 15:] = 0
LABELS = [0, 1, 2, 2, 1, 0]


def stored(parts: dict[str, list[int]]) -> None:
    """What was imported is CLIPS with their labels, in these parts."""
    benchmark, dataset = opened()
    assert [int(dataset.info.classes[label]) for label in dataset.labels] == LABELS
    for row, clip in enumerate(CLIPS):
        there = dense(dataset, row)
        assert dataset.lengths[row] == 15
        assert np.array_equal(there, clip[:, :15])
    if parts:
        assert list(benchmark.splits) == ["official"]
        split = benchmark.split()
        assert {part: split.part(dataset, part).tolist() for part in parts} == parts


@pytest.mark.parametrize("labels", ["one-hot", "numbers"])
def test_an_archive_of_clips_and_one_hot_labels(root: Path, tmp_path: Path, labels: str) -> None:
    flat = CLIPS.transpose(0, 2, 1, 3, 4).reshape(6, 20, 150)
    told = np.eye(3)[LABELS] if labels == "one-hot" else np.array(LABELS)
    path = tmp_path / "NTU60_CS.npz"
    np.savez(path, x_train=flat[:4], y_train=told[:4], x_test=flat[4:], y_test=told[4:])
    import_dataset("mine", clips=path, layout="ntu25")
    stored({"train": [0, 1, 2, 3], "test": [4, 5]})


def test_archives_that_do_not_fit(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "set.npz"
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({"x": np.zeros((3, 4))}, "ntu25", "no pair of clips and labels"),
        ({"x_train": np.ones((3, 5, 150)), "y_train": np.arange(2)}, "ntu25", "has 2 labels"),
        ({"x_train": np.ones((3, 5, 150)), "y_train": np.ones((3, 4))}, "ntu25", "not one-hot"),
        ({"x_train": np.ones((3, 5, 149)), "y_train": np.arange(3)}, "ntu25", "are not those of layout 'ntu25'"),
        ({"x_train": np.ones((3, 5, 78)), "y_train": np.arange(3)}, str(write_layout(tmp_path, CHAIN)), "2 persons"),
    ]
    for content, layout, words in cases:
        second = {key.replace("train", "test"): value for key, value in content.items()}
        np.savez(path, **content | second)
        with pytest.raises(SslskelError, match=words):
            import_dataset("mine", clips=path, layout=layout, split_by="subject")


def write_label(path: Path, names: list[str], labels: list[int]) -> None:
    path.write_bytes(pickle.dumps((names, labels)))


def test_label_files_with_their_arrays(root: Path, tmp_path: Path) -> None:
    names = [f"S001C001P{number:03d}R001A001.skeleton" for number in range(6)]
    stacked = CLIPS.transpose(0, 4, 2, 3, 1)
    for part, rows, word in (("train", slice(0, 4), "data_joint"), ("val", slice(4, 6), "data")):
        np.save(tmp_path / f"{part}_{word}.npy", stacked[rows])
        write_label(tmp_path / f"{part}_label.pkl", names[rows], LABELS[rows])
    files = [tmp_path / "train_label.pkl", tmp_path / "val_label.pkl"]
    import_dataset("mine", clips=files, layout="ntu25")
    stored({"train": [0, 1, 2, 3], "test": [4, 5]})
    before = opened()[1].info.source
    np.save(tmp_path / "val_data.npy", 2 * stacked[4:])
    import_dataset("mine", clips=files, layout="ntu25")
    after = opened()[1].info.source
    assert [name for name in after if after[name] != before[name]] == ["4 files of clips"]
    np.save(tmp_path / "all_data.npy", stacked)
    write_label(tmp_path / "all_label.pkl", names, LABELS)
    import_dataset("mine", clips=tmp_path / "all_data.npy", layout="ntu25", name_pattern=r"P(?P<subject>\d+)")
    stored({})
    assert opened()[1].subjects.tolist() == list(range(6))
    (tmp_path / "val_data.npy").unlink()
    with pytest.raises(SslskelError, match=r"val_data_joint\.npy or val_data\.npy"):
        import_dataset("mine", clips=files, layout="ntu25")
    np.save(tmp_path / "loose.npy", stacked)
    with pytest.raises(SslskelError, match="an array of clips without labels"):
        import_dataset("mine", clips=tmp_path / "loose.npy", layout="ntu25")


@pytest.mark.parametrize("name", ["", "S001\x10C001", "\u202e\x1b[2J"])
def test_a_clip_without_a_printable_name_is_left_out_with_its_file(name: str, root: Path, tmp_path: Path) -> None:
    names, stacked = ["c0", "c1", "c2", name, "c4", "c5"], CLIPS.transpose(0, 4, 2, 3, 1)
    for part, rows in (("train", slice(0, 4)), ("val", slice(4, 6))):
        np.save(tmp_path / f"{part}_data.npy", stacked[rows])
        write_label(tmp_path / f"{part}_label.pkl", names[rows], LABELS[rows])
    import_dataset("mine", clips=[tmp_path / "train_label.pkl", tmp_path / "val_label.pkl"], layout="ntu25")
    [reason] = opened()[1].report()["dropped"].values()
    assert "train_data.npy" in reason
    assert "has no printable name" in reason


def annotations(names: list[str]) -> list[dict[str, Any]]:
    made = []
    for name in names:
        number = int(name[-1])
        made.append({"frame_dir": name, "label": LABELS[number], "keypoint": CLIPS[number], "total_frames": 20})
    return made


def test_pickles_of_mmaction2_one_for_each_part(root: Path, tmp_path: Path) -> None:
    names = [f"v{number}" for number in range(6)]
    for part, own in (("train", names[:4]), ("val", names[4:])):
        (tmp_path / f"ntu60_xsub_{part}.pkl").write_bytes(pickle.dumps(annotations(own)))
    files = [tmp_path / f"ntu60_xsub_{part}.pkl" for part in ("train", "val")]
    words = ["data", "import", "mine", "--layout", "ntu25", "--pyskl", *map(str, files), "persons=2"]
    assert main(words) == 0
    benchmark, dataset = opened()
    assert list(benchmark.splits) == ["ntu60_xsub"]
    assert dataset.names[benchmark.split().part(dataset, "test")].tolist() == ["v4", "v5"]
    assert benchmark.command == f"sslskel data import mine --pyskl {files[0]} {files[1]} --layout ntu25 persons=2"
    (tmp_path / "ntu60_xsub_val.pkl").write_bytes(pickle.dumps(annotations(names[3:])))
    with pytest.raises(SslskelError, match="clip 'v3' is in train and in val"):
        import_dataset("mine", pyskl=files, layout="ntu25")


def test_kinetics_with_its_label_files(root: Path, tmp_path: Path) -> None:
    poses = RNG.uniform(0.1, 0.9, (4, 7, 18, 3)).round(3)
    for part, own in (("train", (0, 1)), ("val", (2, 3))):
        folder = tmp_path / f"kinetics_{part}"
        folder.mkdir()
        labels = {"none": {"has_skeleton": False, "label": "wave", "label_index": 1}} if part == "train" else {}
        for number in own:
            labels[f"id{number}"] = {
                "has_skeleton": True,
                "label": ("wave", "clap")[number % 2],
                "label_index": number % 2,
            }
            data = [
                {"frame_index": f + 1, "skeleton": [{"pose": b[:, :2].ravel().tolist(), "score": b[:, 2].tolist()}]}
                for f, b in enumerate(poses[number])
            ]
            (folder / f"id{number}.json").write_text(json.dumps({"data": data}))
        (tmp_path / f"kinetics_{part}_label.json").write_text(json.dumps(labels))
    files = [tmp_path / f"kinetics_{part}_label.json" for part in ("train", "val")]
    import_dataset("mine", clips=files, layout="openpose18")
    benchmark, dataset = opened()
    assert dataset.info.classes == ("clap", "wave")
    assert dataset.names[benchmark.split().part(dataset, "test")].tolist() == ["id2", "id3"]
    assert np.allclose(dense(dataset, 3)[0], poses[3, ..., :2], atol=1e-6)
    assert any("1 clips without a skeleton" in note for note in dataset.report()["notes"])
    long = {"9" * 400: {"has_skeleton": True, "label": "wave", "label_index": 1}}
    (tmp_path / "kinetics_train_label.json").write_text(json.dumps({**json.loads(files[0].read_text()), **long}))
    import_dataset("mine", clips=files, layout="openpose18")
    [(name, why)] = opened()[1].report()["dropped"].items()
    assert name == "9" * 400
    assert "cannot be read (File name too long)" in why
    assert len(why.replace(f"{tmp_path}/", "")) < 600
    (tmp_path / "kinetics_val" / "id3.json").write_text((tmp_path / "kinetics_val" / "id2.json").read_text())
    import_dataset("mine", clips=files, layout="openpose18")
    assert opened()[1].info.source["4 files of clips"] != dataset.info.source["4 files of clips"]


@pytest.mark.parametrize(
    ("name", "part"),
    [("train_label", "train"), ("kinetics_val_label", "val"), ("NTU60-test", "test"), ("training_2", "train"),
     ("contest", ""), ("constraints", ""), ("x_validation", "val")],
)  # fmt: skip
def test_parts_in_names(name: str, part: str) -> None:
    assert part_in(name) == part


def test_files_of_different_forms_are_refused(root: Path, tmp_path: Path) -> None:
    arguments = write_set(tmp_path, CHAIN)
    np.savez(tmp_path / "a.npz", x_train=np.zeros(3))
    for files, words in (
        ([tmp_path / "a.npz", tmp_path / "a.npz"], "not of one form"),
        ([arguments["clips"], arguments["clips"]], "--clips takes one labels table"),
    ):
        with pytest.raises(SslskelError, match=words):
            import_dataset("mine", clips=files, layout=arguments["layout"])
    (tmp_path / "x.json").write_text("[1]")
    with pytest.raises(SslskelError, match="does not map clips to labels"):
        import_dataset("mine", clips=tmp_path / "x.json", layout=arguments["layout"])


def test_every_form_is_on_the_page() -> None:
    page = Path(__file__).resolve().parents[4] / "docs" / "guide" / "your-own-data.md"
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))
    assert all(form in text for form in FORMS)
