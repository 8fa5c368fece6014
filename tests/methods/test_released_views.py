"""Views as methods ask for them and runs draw them, against recorded ones of the released codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import case_of, close
from released_pstl import OFF_DIAGONAL, off_diagonal, view_draws
from replays import Made, made
from stored_clips import clips_of
from torch import Tensor

from sslskel.api.noise import ReplayNoise

SEEDS = (0, 1)
SHIFTED = {"skeletonclr": (0, 1), "crossclr": (0, 1), "aimclr": (0, 1)}
"""Methods on whole, shifted and sheared clips, and which of their views are so."""
CORRUPTED = {"isc": (0, 1), "cmd": (0, 1), "pcm3": (0, 1)}
"""Methods on crops that are corrupted or sheared, and which of their views are so."""


def drawn(run: Made, view: int, x: Tensor, draws: Mapping[str, Tensor], folder: Path) -> Tensor:
    """One view of clips (N, C, T0, V, M), or of one (C, T0, V, M), with recorded draws: (N, C, T, V, M)."""
    source = clips_of(folder, list(x) if x.ndim == 5 else [x], run.method.clip)
    return source.batch(torch.arange(len(source)), run.method.views()[view], ReplayNoise(draws)).dense(2)


def one(value: Tensor) -> Tensor:
    """A draw of a single clip."""
    return value.double()[None]


def aimclr_matrix(u: Tensor) -> Tensor:
    """The shear of six draws in the order of the released AimCLR and CrosSCLR."""
    whole = torch.ones((), dtype=u.dtype)
    return torch.stack([whole, u[0], u[3], u[1], whole, u[4], u[2], u[5], whole]).reshape(3, 3)


def aimclr_draws(case: Recorded, name: str, amplitude: float = 0.5) -> dict[str, Tensor]:
    """Recorded draws of an extreme view under our sites; those of what was left out are idle."""

    def draw(what: str, idle: Tensor) -> Tensor:
        return case.tensor(f"{name}/{what}") if f"{name}/{what}" in case else idle

    never, out = torch.ones(()), case.tensor(f"{name}/out")
    axis = draw("rotate_axis", torch.tensor(0))
    degrees = draw("rotate_degrees", torch.zeros(3)) / torch.where(torch.arange(3) == axis, 30.0, 1.0)
    blank = (out.flatten(1) == 0).all(1)
    if f"{name}/axis" in case:
        assert blank.nonzero().flatten().tolist() == [int(case[f"{name}/axis"])]
    return {
        "crop.start": case.tensor(f"{name}/padcrop_start")[None],
        "shear.off_diagonal": one(off_diagonal(aimclr_matrix(case.tensor(f"{name}/shear_draws")), amplitude)),
        "flip": one(draw("flip_p", never)),
        "tilt.axis": axis[None],
        "tilt.angles": one(degrees),
        "noise.chance": one(draw("noise_p", never)),
        "noise.values": draw("noise", torch.zeros_like(out)).permute(3, 1, 2, 0) / 0.01,
        "blur.chance": one(draw("blur_p", never)),
        "blur.sigma": one((draw("blur_sigma", never) - 0.1) / 1.9),
        "axis.chance": one(draw("axis_p", never)),
        "axis.which": blank.to(torch.int64).argmax()[None],
        "time_flip": one(draw("time_p", never)),
    }


@pytest.mark.parametrize("seed", SEEDS)
def test_extreme_views_of_aimclr(shared: Path, seed: int, tmp_path: Path) -> None:
    case, run = case_of(shared, f"aug_aimclr_seed{seed}"), made("aimclr", "engine.device=cpu")
    assert set(case.config["strong_methods"]) >= set("123456")
    methods = {name: str(case[f"{name}/method"]) for name in case.beginnings("strong")}
    assert set("".join(methods.values())) >= set("123456")
    for name, chosen in methods.items():
        view = drawn(run, 2, case.tensor(f"{name}/x"), aimclr_draws(case, name), tmp_path / name)
        close(view[0], case.tensor(f"{name}/out").double(), 1e-12)
        if chosen == "0":
            # Shifted and sheared alone, as the other views of this family are.
            for method, places in SHIFTED.items():
                other = made(method, "engine.device=cpu")
                assert len(other.method.views()) == max(places) + 1 + (method == "aimclr")
                for at in places:
                    folder = tmp_path / f"{name}-{method}-{at}"
                    view = drawn(other, at, case.tensor(f"{name}/x"), aimclr_draws(case, name), folder)
                    close(view[0], case.tensor(f"{name}/out").double(), 1e-12)


def test_missing_persons_get_the_noise_of_the_extreme_view_as_released(tmp_path: Path) -> None:
    run = made("aimclr", "engine.device=cpu")
    x = torch.randn(3, 50, 25, 2, generator=torch.Generator().manual_seed(0))
    x[..., 1] = 0
    values = torch.randn(2, 50, 25, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    view = drawn(run, 2, x, {**idle_draws(), "noise.chance": torch.zeros(1), "noise.values": values}, tmp_path)
    close(view[0, ..., 1], 0.01 * values[1].permute(2, 0, 1), 1e-12)
    close(view[0, ..., 0], x[..., 0].double() + 0.01 * values[0].permute(2, 0, 1), 1e-12)


@pytest.mark.parametrize("change", ["flip", "time_flip", "axis.chance", "blur.chance"])
def test_each_change_of_the_extreme_view(change: str, tmp_path: Path) -> None:
    """Recordings do not have every change: what its draw decides happens, and nothing else."""
    run = made("aimclr", "engine.device=cpu")
    x = torch.randn(3, 50, 25, 2, generator=torch.Generator().manual_seed(0))
    view = drawn(run, 2, x, {**idle_draws(), change: torch.zeros(1)}, tmp_path)[0]
    if change == "flip":
        wanted = x[:, :, list(run.method.clip.layout.mirror())]
    elif change == "time_flip":
        wanted = x.flip(1)
    elif change == "axis.chance":
        wanted = x * torch.tensor([0.0, 1.0, 1.0])[:, None, None, None]
    else:
        # As released: weights that are not normalised, zeros beyond the ends.
        weights = torch.exp(-torch.arange(-7, 8).double().square() / (2 * 2.0**2))
        padded = torch.nn.functional.pad(x.double(), (0, 0, 0, 0, 7, 7))
        wanted = sum(weights[tap] * padded[:, tap : tap + 50] for tap in range(15))
    close(view, wanted.double(), 1e-7)


def idle_draws() -> dict[str, Tensor]:
    """Draws of an extreme view that change nothing."""
    never = {f"{name}.chance": torch.ones(1) for name in ("noise", "blur", "axis")}
    return {
        "crop.start": torch.tensor([8]),
        "shear.off_diagonal": torch.full((1, 6), 0.5).double(),
        **never,
        "noise.values": torch.zeros(()),
        "blur.sigma": torch.ones(1),
        "axis.which": torch.tensor([0]),
        "time_flip": torch.ones(1),
        "tilt.axis": torch.tensor([0]),
        "tilt.angles": torch.zeros(1, 3),
        "flip": torch.ones(1),
    }


@pytest.mark.parametrize("method", [*SHIFTED, "pstl"])
def test_shears_are_as_large_as_asked_for(method: str, tmp_path: Path) -> None:
    run = made(method, "engine.device=cpu", "method.shear=0.3")
    x = torch.randn(3, 50, 25, 2, generator=torch.Generator().manual_seed(0))
    matrix = torch.eye(3).double() + 0.3 * OFF_DIAGONAL.double()
    largest = torch.ones(6).double()
    draws = {"crop.start": torch.tensor(8), "shear.off_diagonal": largest if method == "pstl" else largest[None]}
    draws |= {"tilt.axis": torch.tensor(0), "tilt.angles": torch.zeros(3), "flip": torch.ones(())}
    if method == "aimclr":
        extreme = {**idle_draws(), "shear.off_diagonal": largest[None]}
        close(drawn(run, 2, x, extreme, tmp_path / "extreme")[0], sheared(x, matrix), 1e-12)
    for at in (0, 1):
        close(drawn(run, at, x, draws, tmp_path / str(at))[0], sheared(x, matrix), 1e-12)


def sheared(x: Tensor, matrix: Tensor) -> Tensor:
    """(C, T, V, M) with a matrix on the left of every coordinate vector."""
    return torch.einsum("dc,ctvm->dtvm", matrix, x.double())


@pytest.mark.parametrize("seed", SEEDS)
def test_views_of_pstl(shared: Path, seed: int, tmp_path: Path) -> None:
    case = case_of(shared, f"obj_pstl_seed{seed}")
    assert case.config["padding_ratio"] == 6
    run = made("pstl", "engine.device=cpu", f"clip.frames={case.config['T']}")
    for name in (f"step{step}/view{at}" for step in range(case.config["steps"]) for at in range(3)):
        source = clips_of(tmp_path / name.replace("/", "-"), list(case.tensor("in/x")), run.method.clip)
        view = run.method.views()[int(name[-1])]
        assert len(view.augment) == 3
        for done, what in enumerate(("after_shear", "after_rotate", "after_flip"), start=1):
            if f"{name}/{what}" not in case:
                continue
            part = view if done == 3 else type(view)(view.sample, view.augment[:done])
            mine = source.batch(torch.arange(len(source)), part, ReplayNoise(view_draws(case, name))).dense(2)
            close(mine, case.tensor(f"{name}/{what}").double(), 1e-6)


def crop_draws(case: Recorded, name: str) -> dict[str, Tensor]:
    """Recorded draws of a crop, of which released code says how long it is."""
    frames, share = int(case[f"{name}/num_frames"]), float(case[f"{name}/u"])
    assert case[f"{name}/x"].shape[1] == frames
    return {"crop.share": torch.tensor([share], dtype=torch.float64), "crop.start": case.tensor(f"{name}/start")[None]}


def change_draws(case: Recorded, name: str) -> dict[str, Tensor]:
    """Recorded draws of a corruption or a shear; the other one's are idle."""
    draws = {"either": one(case.tensor(f"{name}/p_choice")), "corrupt.kind": torch.zeros(1)}
    draws |= {"corrupt.joints": torch.arange(25)[None], "corrupt.matrix": torch.zeros(1, 9)}
    draws |= {"shear.off_diagonal": torch.zeros(1, 6)}
    matrix = case.tensor(f"{name}/matrix") if f"{name}/matrix" in case else torch.zeros(3, 3)
    if str(case[f"{name}/kind"]) == "shear":
        return draws | {"shear.off_diagonal": one(off_diagonal(matrix, 1.0))}
    joints = case.tensor(f"{name}/joints")
    rest = [joint for joint in range(25) if joint not in joints.tolist()]
    draws |= {"corrupt.joints": torch.cat([joints, torch.tensor(rest)])[None]}
    return draws | {
        "corrupt.kind": one(case.tensor(f"{name}/p_corrupt")),
        "corrupt.matrix": one((matrix.flatten() + 1) / 2),
    }


@pytest.mark.parametrize("method", CORRUPTED)
@pytest.mark.parametrize("seed", SEEDS)
def test_crops_that_are_corrupted_or_sheared(shared: Path, seed: int, method: str, tmp_path: Path) -> None:
    case, run = case_of(shared, f"aug_pcm3_seed{seed}"), made(method, "engine.device=cpu")
    assert len(run.method.views()) == 2 + (method == "pcm3")
    seen = set()
    for name in case.beginnings("view"):
        draws, out = {**crop_draws(case, name), **change_draws(case, name)}, case.tensor(f"{name}/out").double()
        close(case.tensor(f"{name}/out_float32").double(), out, 1e-6)
        if float(case[f"{name}/prob"]) >= 0:
            seen.add(str(case[f"{name}/kind"]))
            for at in CORRUPTED[method]:
                view = drawn(run, at, case.tensor(f"{name}/x"), draws, tmp_path / f"{name}-{at}")
                close(view[0], out, 1e-6)
        elif method == "pcm3":
            seen.add("never corrupted")
            close(drawn(run, 2, case.tensor(f"{name}/x"), draws, tmp_path / name)[0], out, 1e-6)
    assert {"shear"} < seen
    assert ("never corrupted" in seen) is (method == "pcm3")


@pytest.mark.parametrize("method", ["skeletonclr", "crossclr", "aimclr", "isc", "cmd", "pcm3", "pstl"])
def test_what_a_run_does_to_every_view_comes_first(method: str) -> None:
    run = made(method, "engine.device=cpu", "clip.rotation=0.2", "clip.stream=motion")
    first = run.method.clip.train_view.augment
    assert len(first) == 2
    for view in run.method.views():
        assert view.augment[:2] == first
        assert len(view.augment) > 2
