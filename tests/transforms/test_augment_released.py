"""Equality of augmentations, mixes and hidden parts with recorded runs of released codes, draws replayed.

Whole views, as methods ask for them, are in ``tests/methods/test_released_views.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import case_of, clip_spec, close
from torch import Tensor

from sslskel.api.batch import Batch
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.api.skeleton import NTU25, PARTS
from sslskel.api.view import Augment, Sampler
from sslskel.transforms.augment import (
    AxisMask,
    Flip,
    GaussianNoise,
    JointCorruption,
    Shear,
    TiltRotation,
)
from sslskel.transforms.augment_time import GaussianBlur, PadCrop, TimeFlip
from sslskel.transforms.body_parts import Extent, MixPlan, mix_plan, topology_mask
from sslskel.transforms.clip import CentreCrop, RandomCrop, bone, motion

SEEDS = (0, 1)
OFF_DIAGONAL = ([0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1])
"""Off-diagonal places of a 3 x 3 matrix, row by row."""


def recorded(kind: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", [f"aug_{kind}_seed{seed}" for seed in SEEDS], indirect=True)


@pytest.fixture
def case(shared: Path, request: pytest.FixtureRequest) -> Recorded:
    case = case_of(shared, request.param)
    assert request.param.endswith(f"seed{case.config['seed']}")
    return case


def groups(case: Recorded, prefix: str) -> list[str]:
    """Names such as ``shear0`` and ``shear1`` that a recorded file has."""
    return sorted({name.split("/")[0] for name in case if name.startswith(prefix)})


def clips(x: Tensor) -> Batch:
    """Clips of two persons from (N, 3, T, 25, 2) or one of them, in double precision."""
    return Batch.from_dense((x if x.ndim == 5 else x[None]).double())


def replayed(augment: Augment, batch: Batch, draws: Mapping[str, Tensor | Sequence[Tensor]]) -> Tensor:
    """(N, 3, T, 25, 2) of a batch that was changed with recorded draws."""
    return augment(batch, ReplayNoise(draws), clip_spec(batch.tracks.shape[1])).dense(2)


def one(value: Tensor) -> Tensor:
    """A draw of a single clip."""
    return value.double().reshape(1, -1).squeeze(-1) if value.ndim == 0 else value.double()[None]


def off_diagonal(matrix: Tensor, amplitude: float) -> Tensor:
    """U[0, 1) draws that give a recorded shear."""
    return one((matrix[OFF_DIAGONAL] / amplitude + 1) / 2)


def aimclr_matrix(u: Tensor) -> Tensor:
    """The shear of six draws in the order of the released AimCLR and CrosSCLR."""
    one_ = torch.ones((), dtype=u.dtype)
    return torch.stack([one_, u[0], u[3], u[1], one_, u[4], u[2], u[5], one_]).reshape(3, 3)


def corruption_draws(case: Recorded, name: str, p: str) -> dict[str, Tensor]:
    """Recorded draws of a joint corruption; a zeroing one has no matrix."""
    joints = case.tensor(f"{name}/joints")
    rest = [joint for joint in range(25) if joint not in joints.tolist()]
    matrix = case.tensor(f"{name}/matrix") if f"{name}/matrix" in case else torch.zeros(3, 3)
    return {
        "corrupt.joints": torch.cat([joints, torch.tensor(rest)])[None],
        "corrupt.kind": one(case.tensor(f"{name}/{p}")),
        "corrupt.matrix": one((matrix.flatten() + 1) / 2),
    }


def read(x: Tensor, sampler: Sampler, draws: Mapping[str, Tensor], frames: int) -> Tensor:
    """(3, T0, 25, 2) read at a sampler's positions: (1, 3, T, 25, 2)."""
    lengths = torch.tensor([x.shape[1]])
    at = sampler(lengths, frames, ReplayNoise(draws))[0]
    below = at.floor().to(torch.int64)
    above = (below + 1).clamp(max=x.shape[1] - 1)
    weight = (at - below)[None, :, None, None]
    return (x[:, below].double() * (1 - weight) + x[:, above].double() * weight)[None]


def crop_draws(case: Recorded, name: str) -> dict[str, Tensor]:
    return {"crop.share": one(case.tensor(f"{name}/u")), "crop.start": case.tensor(f"{name}/start")[None]}


def check_crop(case: Recorded, name: str, low: float, high: float) -> None:
    """The length of a recorded crop, and from where its start is drawn."""

    class Spy(ReplayNoise):
        high = torch.empty(0)

        def integers(self, site, high, shape=(), per="person"):  # type: ignore[no-untyped-def]
            Spy.high = high
            return super().integers(site, high, shape, per)

    frames, length = (int(case[f"{name}/{what}"]) for what in ("num_frames", "length"))
    RandomCrop(low, high, 64)(torch.tensor([frames]), 64, Spy(crop_draws(case, name)))
    assert frames + 1 - int(Spy.high) == length
    if f"{name}/start_high_exclusive" in case:
        assert int(Spy.high) == int(case[f"{name}/start_high_exclusive"])


@recorded("isc")
class TestIsc:
    def test_shear(self, case: Recorded) -> None:
        for name in groups(case, "shear"):
            draws = {"shear.off_diagonal": one((case.tensor(f"{name}/draws") + 1) / 2)}
            assert torch.equal(case.tensor(f"{name}/matrix")[OFF_DIAGONAL], case.tensor(f"{name}/draws"))
            close(replayed(Shear(1.0), clips(case.tensor(f"{name}/x")), draws)[0], case.tensor(f"{name}/out"), 1e-12)

    @pytest.mark.parametrize("name", ["corrupt_zero", "corrupt_matrix"])
    def test_corruption(self, case: Recorded, name: str) -> None:
        augmented = replayed(JointCorruption(), clips(case.tensor(f"{name}/x")), corruption_draws(case, name, "p"))
        close(augmented[0], case.tensor(f"{name}/out").double(), 1e-6)

    def test_crops(self, case: Recorded) -> None:
        for name in groups(case, "cropresize"):
            low, high = case.tensor(f"{name}/ratio").tolist()
            out = case.tensor(f"{name}/out").double()
            check_crop(case, name, low, high)
            augmented = read(case.tensor(f"{name}/x"), RandomCrop(low, high, 64), crop_draws(case, name), out.shape[1])
            close(augmented[0], case.tensor(f"{name}/out").double(), 1e-6)

    def test_crops_of_the_linear_protocol(self, case: Recorded) -> None:
        for name in groups(case, "subsequence_test"):
            share, start = float(case[f"{name}/ratio"]), int(case[f"{name}/start"])
            frames, length = int(case[f"{name}/num_frames"]), int(case[f"{name}/length"])
            whole = CentreCrop(share)(torch.tensor([frames]), length, Noise(0))[0]
            assert torch.equal(whole, torch.arange(start, start + length).double())
            close(
                read(case.tensor(f"{name}/x"), CentreCrop(share), {}, 64)[0], case.tensor(f"{name}/out").double(), 1e-6
            )
        for name in groups(case, "subsequence_train"):
            check_crop(case, name, 0.5, 1.0)
            augmented = read(case.tensor(f"{name}/x"), RandomCrop(0.5, 1.0, 64), crop_draws(case, name), 64)
            close(augmented[0], case.tensor(f"{name}/out").double(), 1e-6)


@recorded("aimclr")
class TestAimclr:
    def test_shear(self, case: Recorded) -> None:
        for name in groups(case, "shear"):
            amplitude = float(case[f"{name}/amplitude"])
            close(aimclr_matrix(case.tensor(f"{name}/draws")), case.tensor(f"{name}/matrix"), 1e-15)
            draws = {"shear.off_diagonal": off_diagonal(case.tensor(f"{name}/matrix"), amplitude)}
            augmented = replayed(Shear(amplitude), clips(case.tensor(f"{name}/x")), draws)
            close(augmented[0], case.tensor(f"{name}/out"), 1e-12)

    def test_shift_with_mirrored_ends(self, case: Recorded) -> None:
        for name in groups(case, "padcrop"):
            ratio, x = int(case[f"{name}/ratio"]), case.tensor(f"{name}/x")
            draws = {"crop.start": case.tensor(f"{name}/start")[None]}
            augmented = read(x, PadCrop(ratio), draws, x.shape[1])
            assert torch.equal(augmented[0], case.tensor(f"{name}/out").double())

    def test_the_range_of_shifts(self, case: Recorded) -> None:
        class Spy(ReplayNoise):
            def integers(self, site, high, shape=(), per="person"):  # type: ignore[no-untyped-def]
                assert (site, per) == ("crop.start", "clip")
                Spy.high = high
                return torch.zeros(1, dtype=torch.int64)

        for name in groups(case, "padcrop"):
            PadCrop(int(case[f"{name}/ratio"]))(torch.tensor([99]), case[f"{name}/x"].shape[1], Spy({}))
            assert int(case[f"{name}/start_high_exclusive"]) == Spy.high

    def test_flips(self, case: Recorded) -> None:
        assert list(NTU25.mirror()) == case["flip/order"].tolist()
        always, never = {"flip": torch.zeros(1)}, {"flip": torch.ones(1)}
        x = case.tensor("flip/x")
        assert torch.equal(replayed(Flip(), clips(x), always)[0], case.tensor("flip/out").double())
        assert torch.equal(replayed(Flip(), clips(x), never)[0], x.double())
        x = case.tensor("timeflip/x")
        augmented = replayed(TimeFlip(), clips(x), {"time_flip": torch.zeros(1)})
        assert torch.equal(augmented[0], case.tensor("timeflip/out").double())

    def test_tilt(self, case: Recorded) -> None:
        for name in groups(case, "rotate"):
            axis = case.tensor(f"{name}/main_axis")
            most = torch.where(torch.arange(3) == axis, 30.0, 1.0)
            draws = {"tilt.axis": axis[None], "tilt.angles": one(case.tensor(f"{name}/degrees_xyz") / most)}
            augmented = replayed(TiltRotation(), clips(case.tensor(f"{name}/x")), draws)
            close(augmented[0], case.tensor(f"{name}/out"), 1e-12)

    def test_noise(self, case: Recorded) -> None:
        values = case.tensor("noise/noise").permute(3, 1, 2, 0) / 0.01
        draws = {"noise.chance": torch.zeros(1), "noise.values": values}
        filled = clips(case.tensor("noise/x")).filled(2)
        close(replayed(GaussianNoise(), filled, draws)[0], case.tensor("noise/out"), 1e-12)

    def test_blur(self, case: Recorded) -> None:
        for name in groups(case, "blur"):
            draws = {"blur.chance": torch.zeros(1), "blur.sigma": one((case.tensor(f"{name}/sigma") - 0.1) / 1.9)}
            augmented = replayed(GaussianBlur(), clips(case.tensor(f"{name}/x")), draws)
            close(augmented[0], case.tensor(f"{name}/out"), 1e-12)

    def test_axis_mask(self, case: Recorded) -> None:
        for name in groups(case, "axismask"):
            out = case.tensor(f"{name}/out")
            [axis] = (out.flatten(1) == 0).all(1).nonzero().flatten().tolist()
            draws = {"axis.chance": torch.zeros(1), "axis.which": torch.tensor([axis])}
            assert torch.equal(replayed(AxisMask(), clips(case.tensor(f"{name}/x")), draws)[0], out)


@recorded("pstl")
class TestPstl:
    """Draws once per batch; the shear stands on the other side, which transposes its matrix."""

    def test_streams(self, case: Recorded) -> None:
        tracks = case.tensor("in/x").permute(0, 4, 2, 3, 1)
        assert torch.equal(motion(tracks).permute(0, 4, 2, 3, 1), case.tensor("stream/motion"))
        assert torch.equal(bone(tracks, NTU25).permute(0, 4, 2, 3, 1), case.tensor("stream/bone"))

    def test_noise_blur_and_reversal(self, case: Recorded) -> None:
        batch = clips(case.tensor("in/x")).filled(2)
        values = case.tensor("noise/noise").permute(0, 4, 2, 3, 1).flatten(0, 1) / 0.01
        draws = {"noise.chance": torch.zeros(()), "noise.values": values}
        close(replayed(GaussianNoise(per="batch"), batch, draws), case.tensor("noise/out").double(), 1e-6)
        draws = {"blur.chance": torch.zeros(()), "blur.sigma": (case.tensor("blur/sigma") - 0.1) / 1.9}
        close(replayed(GaussianBlur(per="batch"), batch, draws), case.tensor("blur/out").double(), 1e-6)
        augmented = replayed(TimeFlip(per="batch"), batch, {"time_flip": torch.zeros(())})
        assert torch.equal(augmented, case.tensor("timeflip/out").double())


OURS = torch.tensor([0, 2, 1, 4, 3])
"""Recorded part -> ours: the released code calls the right arm and leg left."""


@recorded("pcm3")
class TestPcm3:
    def test_parts(self, case: Recorded) -> None:
        sizes = case["parts/sizes"].tolist()
        ours = [sorted(NTU25.part(PARTS[part])) for part in OURS]
        assert [sorted(part.tolist()) for part in case.tensor("parts/flat").split(sizes)] == ours

    def plan(self, case: Recorded, name: str) -> MixPlan:
        taken = case.tensor(f"{name}/parts")
        rest = [part for part in range(5) if part not in taken.tolist()]
        blend = case.tensor(f"{name}/mixup_lambda") if f"{name}/mixup_lambda" in case else torch.zeros(())
        draws = {
            "mix.shift": case.tensor(f"{name}/shift") - 1,
            "mix.kind": case.tensor(f"{name}/p"),
            "mix.count": torch.tensor(len(taken) - 2),
            "mix.parts": OURS[torch.cat([taken, torch.tensor(rest)])],
            "mix.units": case.tensor(f"{name}/units") - 7,
            "mix.start": case.tensor(f"{name}/start_unit"),
            "mix.blend": blend,
        }
        clips, _, frames = case[f"{name}/x"].shape[:3]
        return mix_plan(NTU25, frames, clips, Extent((2, 3), (7, 11)), ReplayNoise(draws))

    @pytest.mark.parametrize("kind", ["cutmix", "resizemix", "mixup"])
    def test_mixes(self, case: Recorded, kind: str) -> None:
        for name in groups(case, kind):
            plan, x = self.plan(case, name), case.tensor(f"{name}/x").permute(0, 4, 2, 3, 1)
            assert torch.equal(plan.partner, case.tensor(f"{name}/partner"))
            close(plan.share, case.tensor(f"{name}/lambda"), 1e-6)
            close(plan.weight[::4], case.tensor(f"{name}/mask"), 1e-6)
            mixed = plan.apply(x, x[plan.partner]).permute(0, 4, 2, 3, 1)
            close(mixed, case.tensor(f"{name}/out"), 1e-6)

    def test_hidden_parts(self, case: Recorded) -> None:
        for name in groups(case, "topology_mask"):
            hidden = case.tensor(f"{name}/parts")
            rest = [[part for part in range(5) if part not in row] for row in hidden.tolist()]
            order = OURS[torch.cat([hidden, torch.tensor(rest)], 1)]
            ratio = float(case[f"{name}/ratio"])
            ours = topology_mask(NTU25, 64, ratio, ReplayNoise({"topology.parts": order}))
            visible = case.tensor(f"{name}/mask_ntmvc").bool()
            assert torch.equal(~ours, visible[0, :, 0, :, 0])
            assert bool((visible == visible[:1, ..., :1]).all())
            assert bool(visible[:, :, 1].all())
