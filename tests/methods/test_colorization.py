"""Skeleton cloud colorization after its description: colours, the distance of clouds, and points without order."""

from __future__ import annotations

import pytest
import torch
from small_methods import small
from torch import Tensor

from sslskel.errors import UsageError
from sslskel.methods.colorization import Colorization, ColorizationConfig, Colour, chamfer, colours_of, ramp

SIZES = {"sheet_width": 6}


def clouds(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_colours_go_from_red_over_green_to_blue_and_sum_to_one() -> None:
    places = torch.linspace(0, 1, 9)
    colours = ramp(places)
    assert colours[[0, 4, 8]].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    torch.testing.assert_close(colours.sum(1), torch.ones(9))
    assert float(colours.min()) >= 0


@pytest.mark.parametrize("colour", list(Colour))
def test_points_have_the_colours_of_their_frame_joint_or_person(colour: Colour) -> None:
    painted = colours_of(colour, 3, 2, 5, torch.zeros(())).reshape(3, 2, 5, 3)
    axis = {Colour.temporal: 0, Colour.person: 1, Colour.spatial: 2}[colour]
    by_place = painted.movedim(axis, 0).flatten(1, 2)
    assert torch.equal(by_place, by_place[:, :1].expand_as(by_place))
    assert by_place[0, 0].tolist() == [1, 0, 0]
    assert by_place[-1, 0].tolist() == [0, 0, 1]


def test_the_chamfer_distance_is_symmetric_no_less_than_either_direction_and_zero_for_equal_clouds() -> None:
    first, second = clouds(2, 5, 6), clouds(2, 7, 6, seed=1)
    every, all_of_first = torch.ones(2, 7, dtype=torch.bool), torch.ones(2, 5, dtype=torch.bool)
    there = chamfer(first, second, every)
    torch.testing.assert_close(there, chamfer(second, first, all_of_first))
    distance = (first[:, :, None] - second[:, None]).norm(dim=3)
    directions = torch.stack([distance.amin(2).mean(1), distance.amin(1).mean(1)])
    torch.testing.assert_close(there, directions.amax(0))
    assert chamfer(first, first[:, [3, 0, 4, 1, 2]], all_of_first).tolist() == [0, 0]


def test_points_that_are_not_there_count_for_nothing() -> None:
    made, wanted = clouds(2, 5, 6), clouds(2, 7, 6, seed=1)
    there = torch.ones(2, 7, dtype=torch.bool)
    there[0, 4:] = False
    moved = wanted.clone()
    moved[0, 4:] = 9.0
    torch.testing.assert_close(chamfer(made, moved, there), chamfer(made, wanted, there))
    torch.testing.assert_close(chamfer(made, wanted, there)[:1], chamfer(made[:1], wanted[:1, :4], there[:1, :4]))


def test_a_made_point_has_no_neighbour_among_points_that_are_not_there() -> None:
    """One made point lies on a point that is not there, far from the only one that is."""
    made, wanted = torch.tensor([[[0.0, 0.0, 9.0]]]), torch.tensor([[[0.0, 0.0, 0.0], [0.0, 0.0, 9.0]]])
    two = torch.cat([made, torch.zeros(1, 1, 3)], 1)
    assert chamfer(two, wanted, torch.tensor([[True, False]])).item() == pytest.approx(4.5)


def test_features_do_not_depend_on_the_order_of_points() -> None:
    made = small("colorization", clips=2, **SIZES)
    batch = made.views[0]
    encoder = made.method.eval().encoders()["temporal"]
    order = torch.randperm(25, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoder(batch._replace(tracks=batch.tracks[:, :, order])), encoder(batch))
    assert set(made.method.encoders()) == {"temporal", "spatial", "person"}


def test_a_term_is_the_distance_to_the_painted_cloud() -> None:
    made = small("colorization", clips=2, colours=[Colour.person], **SIZES)
    assert isinstance(made.method, Colorization)
    cloud = made.method.painters["person"](made.views[0], made.noise.view(0).view(0))
    assert cloud.shape == (2, 36, 6)
    wanted = []
    for clip in range(2):
        rows = made.views[0].owner == clip
        points = []
        for track, valid, slot in zip(*(made.views[0][at][rows] for at in (0, 1, 3)), strict=True):
            colour = torch.tensor([0.0, 0.0, 1.0] if slot else [1.0, 0.0, 0.0])
            seen = track[valid].flatten(0, 1)
            points.append(torch.cat([seen, colour.expand(len(seen), 3)], 1))
        distance = torch.cdist(cloud[clip], torch.cat(points), compute_mode="donot_use_mm_for_euclid_dist")
        wanted.append(torch.maximum(distance.amin(1).mean(), distance.amin(0).mean()))
    assert set(made.output().terms) == {"person"}
    torch.testing.assert_close(made.term("person"), torch.stack(wanted).mean())


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"colours": []}, "method.colours names none; it must name 1 to 3 of temporal, spatial and person, each once"),
        ({"colours": [Colour.person] * 2}, "method.colours names person, person; it must name 1 to 3"),
        ({"sheet_width": 0}, "method.sheet_width is 0; it must be at least 1"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as fault:
        ColorizationConfig(**options)  # type: ignore[arg-type]
    assert words in str(fault.value)
