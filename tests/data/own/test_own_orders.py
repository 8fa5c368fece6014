"""Arrays that fit several orders, and three numbers that may be x, y, score, are settled or refused, never guessed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from own_sets import CHAIN, opened, write_layout, write_table

from sslskel.data.own.importing import import_dataset
from sslskel.errors import DataError

RNG = np.random.default_rng(0)


def imported(folder: Path, arrays: list[np.ndarray], layout: str, *overrides: str) -> list[str]:
    """Import arrays as clips of a body; the notes."""
    for number, array in enumerate(arrays):
        np.save(folder / f"c{number}.npy", array)
    rows = [[f"c{number}.npy", "sit", f"s{number}"] for number in range(len(arrays))]
    name = str(write_layout(folder, CHAIN)) if layout == "chain" else layout
    import_dataset("mine", clips=write_table(folder, rows), layout=name, overrides=overrides)
    notes: list[str] = opened()[1].report()["notes"]
    return notes


@pytest.mark.parametrize(
    ("shape", "layout", "words"),
    [
        ((3, 60, 25, 2), "ntu25", ["axes: CTVM"]),
        ((3, 60, 13, 2), "chain", ["axes: MTVC", "axes: CTVM", "3 persons", "2 persons"]),
        ((3, 60, 17, 2), "coco17", ["axes: MTVC", "axes: CTVM", "coordinates: xyc"]),
        ((2, 60, 13, 2), "chain", ["axes: MTVC", "axes: CTVM"]),
        ((13, 13, 3), "chain", ["axes: TVC", "axes: VTC"]),
        ((60, 2, 13, 3), "chain", ["axes: TMVC"]),
    ],
)
def test_shapes_that_fit_in_several_ways(
    root: Path, tmp_path: Path, shape: tuple[int, ...], layout: str, words: list[str]
) -> None:
    with pytest.raises(DataError) as caught:
        imported(tmp_path, [RNG.normal(3, 1, shape) for _ in range(2)], layout)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not root.exists() or not list(root.iterdir())


def test_one_clip_of_another_length_settles_the_order(root: Path, tmp_path: Path) -> None:
    imported(tmp_path, [RNG.normal(3, 1, shape) for shape in ((13, 13, 3), (20, 13, 3))], "chain")
    assert opened()[1].lengths.tolist() == [13, 20]


def test_stated_coordinates_settle_the_usual_order_and_it_is_told(root: Path, tmp_path: Path) -> None:
    notes = imported(tmp_path, [RNG.normal(3, 1, (2, 60, 13, 2)) for _ in range(2)], "chain", "coordinates=xy")
    assert any("fit another order" in note for note in notes)
    assert opened()[1].info.persons == 2
    notes = imported(tmp_path, [RNG.normal(3, 1, (2, 60, 13, 2)) for _ in range(2)], "chain", "axes=CTVM")
    assert not any("fit another order" in note for note in notes)


def test_x_y_and_score_are_two_dimensions(root: Path, tmp_path: Path) -> None:
    def scored(scale: float) -> np.ndarray:
        return np.concatenate([RNG.uniform(0.1, 1, (20, 13, 2)) * scale, RNG.uniform(0.1, 1, (20, 13, 1))], -1)

    notes = imported(tmp_path, [scored(640) for _ in range(2)], "chain")
    assert opened()[1].info.coordinates == 2
    assert any("confidence" in note for note in notes)
    with pytest.raises(DataError, match=r"coordinates: xyc.*coordinates: xyz"):
        imported(tmp_path, [scored(1) for _ in range(2)], "chain")
    imported(tmp_path, [RNG.normal(3, 1, (20, 13, 3)) for _ in range(2)], "chain")
    assert opened()[1].info.coordinates == 3


def test_a_fourth_number_is_a_confidence_or_refused(root: Path, tmp_path: Path) -> None:
    clips = [np.concatenate([RNG.normal(3, 1, (20, 13, 3)), np.ones((20, 13, 1))], -1) for _ in range(2)]
    imported(tmp_path, clips, "chain")
    assert opened()[1].info.coordinates == 3
    with pytest.raises(DataError, match="coordinates: xyzc"):
        imported(tmp_path, [RNG.normal(3, 1, (20, 13, 4)) for _ in range(2)], "chain")
