"""Hi-TRS against recorded runs of the released code: changes, tasks, windows, a training, both bodies of a clip."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close, value
from released_hi_trs import change_draws, in_hi_trs, item_draws, load, part, recorded_tasks
from replays import Made, made, spied, train
from stored_clips import clips_of
from torch import Tensor
from torch.nn import functional

import sslskel.methods.hi_trs
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.method import Progress
from sslskel.api.noise import Noise
from sslskel.engine.guard import StepGuard
from sslskel.engine.schedule import learning_rate
from sslskel.engine.train import pretrain
from sslskel.methods.hi_trs.tasks import windows_of
from sslskel.transforms.place_and_time import PlaceAndTime

SEEDS = pytest.mark.parametrize("seed", [0, 1])
TERMS = {"joints": "pose", "frame_order": "clip_motion", "window_order": "video_motion", "next_window": "next_clip"}
"""Our name of a term -> the recorded one."""


def case_of(shared: Path, name: str) -> Recorded:
    return Recorded(shared / "golden_more" / f"{name}.npz")


def built(case: Recorded, *more: str) -> Made:
    """The method with the recorded sizes."""
    config = case.config
    options = {
        "engine.device": "cpu",
        "clip.frames": max(config["lengths"]),
        "backbone.width": config["d"],
        "backbone.heads": config["heads"],
        "backbone.head_width": config["d_att"],
        "backbone.layers": config["layers"],
        "backbone.window": config["w"],
        "backbone.stride": config["stride"],
        "backbone.dilation": config["dilate"],
        "backbone.dropout": 0.0,
        "method.stream": config["view"],
        "train.lr": config["lr"],
    }
    return made("hi_trs", *(f"{name}={value}" for name, value in options.items()), *more)


def rows_of(case: Recorded, joints: Tensor) -> Batch:
    """Sequences (P, T, V, C) of the recorded lengths, each a clip of its own."""
    at, lengths = torch.arange(len(joints)), torch.tensor(case.config["lengths"])[: len(joints)]
    valid = torch.arange(joints.shape[1]) < lengths[:, None]
    nothing = torch.full_like(at, -1)
    return Batch(joints * valid[..., None, None], valid, at, at * 0, at, nothing, nothing)


def drawn(case: Recorded, method: Any, folder: Path) -> Batch:
    """The recorded sequences as the method's view gives them, nothing changed."""
    sequences = case.tensor("in/sequences")
    clips = [x[:length].permute(2, 0, 1)[..., None] for x, length in zip(sequences, case["in/lengths"], strict=True)]
    return clips_of(folder, clips, method.clip, torch.float32).batch(
        torch.arange(len(clips)), method.views()[0], Noise(0)
    )


@SEEDS
class TestData:
    def test_changes(self, shared: Path, seed: int) -> None:
        case = case_of(shared, f"data_hitrs_seed{seed}")
        length = int(case["in/lengths"][0])
        sequence = rows_of(case, case.tensor("in/sequences")[:1, :length])
        names = case.beginnings("aug")
        assert len(names) == 6
        clip = built(case).method.clip
        for name in names:
            changed = PlaceAndTime(0.5)(sequence, change_draws(case, name, 25), clip)
            wanted = case.tensor(f"{name}/out")
            assert int(changed.valid.sum()) == len(wanted)
            torch.testing.assert_close(changed.tracks[0, : len(wanted), ::3], wanted.float(), rtol=0, atol=5e-6)
            assert not changed.tracks[0, len(wanted) :].any()

    def test_tasks(self, shared: Path, seed: int, tmp_path: Path) -> None:
        case = case_of(shared, f"data_hitrs_seed{seed}")
        method: Any = built(case, "method.augment=0").method
        batch, cut = drawn(case, method, tmp_path / "data"), method.networks.cut
        lengths = case.config["lengths"]
        assert torch.equal(batch.valid.sum(1), torch.tensor(lengths))
        tasks = method.tasks(batch, item_draws(case, len(lengths), max(lengths)))
        for row, length in enumerate(lengths):
            item, frames = f"item{row}", length + 2 * cut.padding
            close(tasks.wanted[row, :frames], case.tensor(f"{item}/org_seq"), 1e-6)
            close(tasks.shown[row, :frames], case.tensor(f"{item}/masked_seq").float(), 1e-6)
            assert torch.equal(tasks.asked[row, :frames], case.tensor(f"{item}/mask_seq_mask")[..., 0] > 0)
            assert torch.equal(tasks.window[row], case.tensor(f"{item}/c_motion_clip"))
            assert bool(tasks.moves[row]) == bool(case[f"{item}/c_motion_valid_flg"])
            assert torch.equal(tasks.last[row], case.tensor(f"{item}/last_c"))
            order = case.tensor(f"{item}/permute_v")
            assert int(tasks.windows[row]) == len(order) == len(case[f"{item}/w_list"])
            assert torch.equal(tasks.order[row, : len(order)], order)
            numbers = torch.arange(tasks.shown.shape[1]).reshape(1, -1, 1, 1)
            every = windows_of(numbers.expand(len(lengths), -1, -1, -1), tasks, cut)[row, :, :, 0, 0]
            assert torch.equal(every[: len(order)], case.tensor(f"{item}/w_list"))
        hidden = torch.arange(tasks.order.shape[1]) >= tasks.windows[:, None]
        assert torch.equal(functional.pad(hidden, (0, 1)), case.tensor("batch/w_pad_mask") > 0)
        assert torch.equal(every[: tasks.order.shape[1]], case.tensor("batch/slid_window"))
        for name, mine in (("permute_v", tasks.order), ("last_c", tasks.last), ("c_motion_clip", tasks.window)):
            assert torch.equal(mine, case.tensor(f"batch/{name}"))
        assert torch.equal(tasks.moves, case.tensor("batch/c_motion_valid_flg") > 0)

    def test_windows(self, shared: Path, seed: int) -> None:
        case = case_of(shared, f"data_hitrs_seed{seed}")
        wanted = {name: case.tensor(f"windows/{name}") for name in case.group("windows/")}
        assert len(wanted) == 8
        method: Any = built(case, "clip.frames=64").method
        cut = method.networks.cut
        for name, frames in wanted.items():
            length = torch.tensor([int(name.partition("_")[0])])
            if name.endswith("pretrain"):
                begin = torch.arange(int(cut.count(length)))[None] * cut.stride
                assert torch.equal(cut.inside(begin, length)[0], frames), name
            else:
                mine, hidden = method.encoder.backbone.windows(length)
                assert torch.equal(mine[0][~hidden[0]], frames), name


def recorded_run(case: Recorded, *more: str) -> tuple[Made, Batch]:
    """The method with the recorded weights, its tasks being the recorded ones."""
    run = built(case, *more)
    method: Any = run.method
    load(method, case)
    tasks, padding = recorded_tasks(case), method.networks.cut.padding
    method.tasks = lambda batch, noise: tasks
    return run, rows_of(case, tasks.wanted[:, padding:-padding])


def seen_by(method: Any, names: tuple[str, ...]) -> dict[str, tuple[Tensor, Tensor]]:
    """Input and output of some heads in the passes that follow."""
    seen: dict[str, tuple[Tensor, Tensor]] = {}
    for name in names:
        getattr(method, name).register_forward_hook(
            lambda module, inputs, output, name=name: seen.__setitem__(name, (inputs[0].detach(), output.detach()))
        )
    return seen


@SEEDS
def test_a_step_from_inside(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_hitrs_seed{seed}")
    run, batch = recorded_run(case)
    method: Any = run.method
    seen = seen_by(method, ("pose", "frame_order", "window_order", "next_window"))
    with pytest.MonkeyPatch.context() as monkeypatch:
        windows = spied(monkeypatch, type(method.networks), "window_features")
        sequences = spied(monkeypatch, type(method.networks), "sequence_features")
        output: StepOutput = method([batch], Noise(0), Progress(0, 1, 1))
    [(_, every)], [(_, ordered)] = windows.taken(), sequences.taken()
    count = len(case.config["lengths"])
    close(seen["pose"][0][:, :12], case.tensor("out/frame_features"), 2e-5)
    slots = recorded_tasks(case).order.shape[1]
    close(every.detach()[:, :slots], case.tensor("out/clip_features"), 2e-5)
    close(ordered.detach()[:, 0, -1], case.tensor("out/video_feature"), 2e-5)
    shown = (~(case.tensor("in/w_pad_mask")[:, :-1] > 0))[..., None]
    close(ordered.detach()[:, 0, :-1] * shown, case.tensor("out/video_clip_features") * shown, 2e-5)
    for name, theirs in (("frame_order", "clip_motion"), ("window_order", "video_motion")):
        logits = seen[name][1].transpose(0, 1).flatten(0, 1)
        close(logits, case.tensor(f"out/{theirs}_logits"), 2e-5)
        right = torch.tensor([1, 0]).repeat_interleave(count)
        assert torch.equal(right, case.tensor(f"out/{theirs}_target"))
    assert torch.equal(recorded_tasks(case).moves.repeat(2), case.tensor("out/clip_motion_mask") > 0)
    predicted, last = seen["next_window"][1], every.detach()[:, -1]
    close(predicted, case.tensor("out/next_predicted"), 2e-5)
    close(last, case.tensor("out/next_target"), 2e-5)
    similar = functional.normalize(predicted, dim=1) @ functional.normalize(last, dim=1).T
    close(similar / method.config.temperature, case.tensor("out/next_similarity"), 2e-5)
    output.loss().backward()
    check_gradients(method, case)


def check_gradients(method: Any, case: Recorded) -> None:
    """Norms of all recorded gradients, their total, and the full ones."""
    gradients = {name: p.grad for name, p in method.named_parameters()}
    total = float(case["grad/total_norm"])
    mine = torch.stack([gradient.double().norm() for gradient in gradients.values()]).norm()
    assert float(mine) == pytest.approx(total, rel=1e-4)
    for name, norm in zip(case["grad/names"], case["grad/norms"], strict=True):
        assert abs(float(part(gradients, str(name)).double().norm()) - norm) < 1e-4 * total, name
    for name, full in case.group("gradfull/").items():
        assert float((part(gradients, name).reshape(full.shape) - full).norm()) < 1e-4 * total, name


@SEEDS
def test_training(shared: Path, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = case_of(shared, f"obj_hitrs_seed{seed}")
    count, steps = len(case.config["lengths"]), case.config["steps"]
    options = (f"train.batch_size={count}", "train.accumulate=1", "train.epochs=10", f"train.stop_after={steps}")
    rates = ("train.warmup_epochs=2", f"train.min_lr={case.config['lr'] / 200}")
    run, batch = recorded_run(case, *options, *rates, f"method.temperature={case.config['temperature']}")
    updates = spied(monkeypatch, StepGuard, "update")

    def on_step(step: int, output: StepOutput) -> None:
        for mine, theirs in TERMS.items():
            assert value(output, mine) == pytest.approx(case[f"loss/{theirs}"][step], rel=1e-5)
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-5)
        [(_, facts)] = updates.taken()
        assert float(facts.values[1]) == pytest.approx(case["grad/norm_before_clip"][step], rel=1e-4)
        assert learning_rate(run.resolved.train, step) == pytest.approx(case["lr"][step])

    train(run, [batch], tmp_path, on_step)
    state = run.method.state_dict()
    for name, wanted in case.group("state_after/").items():
        close(part(state, name), wanted, 1e-3)


@SEEDS
def test_weights_that_decay(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_hitrs_seed{seed}")
    method = built(case).method
    decayed, spared = method.parameter_groups()
    assert spared["weight_decay"] == 0
    names = {id(p): name for name, p in method.named_parameters()}
    wanted = {in_hi_trs(str(name))[0] for name in case["decayed_names"]}
    assert {names[id(p)] for p in decayed["params"]} == wanted
    assert len(decayed["params"]) + len(spared["params"]) == len(names)


@SEEDS
def test_both_bodies_of_a_clip(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_hitrs_seed{seed}")
    networks = recorded_run(case)[0].method.eval().networks  # type: ignore[operator]
    windows = case.tensor("ar/joint_seq").movedim(3, 1)
    clips, bodies, count, frames = windows.shape[:4]
    rows = windows.flatten(0, 1)
    with torch.no_grad():
        joints = networks.frame_features(rows.flatten(1, 2)).reshape(*rows.shape[:4], -1)
        hidden = case.tensor("ar/pad").flatten(0, 1)[:, :count] > 0
        tokens = networks.sequence_features(networks.window_features(joints)[:, None], hidden)[:, 0, -1]
    feature = tokens.reshape(clips, bodies, -1).mean(1)
    logits = functional.linear(feature, case.tensor("ar/weight"), case.tensor("ar/bias"))
    close(logits, case.tensor("ar/logits"), 2e-5)
    assert frames == case.config["w"]


def test_the_encoder_reads_a_clip_as_the_networks_do(tmp_path: Path) -> None:
    sizes = ("backbone.width=4", "backbone.heads=1", "backbone.head_width=4", "backbone.layers=1", "clip.frames=40")
    method: Any = made("hi_trs", *sizes).method.eval()
    joints = Noise(0).normal("x", (2, 3, 33, 25, 2), "batch")
    joints[1, ..., 1] = 0
    joints[0, :, :9, :, 1] = 0
    source = clips_of(tmp_path / "data", list(joints), method.clip, torch.float32)
    encoder = method.encoders()["joint"]
    batch = source.batch(torch.arange(2), encoder.spec.test_view, Noise(0))
    assert batch.valid.sum(1).tolist() == [33] * 4
    networks, cut = method.networks, method.networks.cut
    with torch.no_grad():
        feature = encoder.clip(batch)
        for clip in range(2):
            rows = functional.pad(joints[clip].permute(3, 1, 2, 0), (0, 0, 0, 0, cut.padding, cut.padding))
            length = torch.full((2,), 33)
            begin = (torch.arange(int(cut.count(length)[0])) * cut.stride).expand(2, -1)
            frames = networks.frame_features(rows)
            windows = networks.window_features(frames[torch.arange(2)[:, None, None], cut.inside(begin, length)])
            hidden = torch.zeros(2, windows.shape[1], dtype=torch.bool)
            tokens = networks.sequence_features(windows[:, None], hidden)[:, 0, -1]
            close(feature[clip], tokens.mean(0), 1e-5)
    alone = made("hi_trs", *sizes, "method.empty_bodies=present").method.encoders()["joint"].spec.test_view
    assert len(source.batch(torch.arange(2), alone, Noise(0)).owner) == 3


def counts_of_parts(parts: int, folder: Path) -> list[tuple[float, float]]:
    """What counts for the next window and for joints in each part of one step of four clips."""
    sizes = ("backbone.width=4", "backbone.heads=1", "backbone.head_width=4", "backbone.layers=1", "clip.frames=40")
    options = ("train.batch_size=4", f"train.accumulate={parts}", "train.epochs=1", "train.stop_after=0")
    run = made("hi_trs", *sizes, *options, "train.warmup_epochs=0", "engine.device=cpu")
    joints = Noise(0).normal("x", (4, 3, 33, 25, 1), "batch")
    source = clips_of(folder / "data", list(joints), run.method.clip, torch.float32)
    with pytest.MonkeyPatch.context() as monkeypatch:
        passes = spied(monkeypatch, type(run.method), "forward")
        compared = spied(monkeypatch, sslskel.methods.hi_trs, "gather_rows")
        meta = {"identity": "parts"}
        pretrain(run.method, source, run.resolved.train, run.resolved.engine, 0, folder / "run", meta)
    assert {len(keys) for _, keys in compared.taken()} == {4 // parts}
    # Passes that only count, before the parts are weighed, have no gradient.
    learnt = [output.terms for _, output in passes.taken() if output.terms["joints"].total.requires_grad]
    return [(float(terms["next_window"].count), float(terms["joints"].count)) for terms in learnt]


def test_a_part_of_a_step_has_its_own_negatives(tmp_path: Path) -> None:
    [(whole, joints)] = counts_of_parts(1, tmp_path / "whole")
    parts = counts_of_parts(2, tmp_path / "parts")
    assert whole == 4
    assert [count for count, _ in parts] == [2, 2]
    assert sum(count for _, count in parts) == joints


def test_the_released_recipe() -> None:
    sizes = ("backbone.width=4", "backbone.heads=1", "backbone.head_width=4", "backbone.layers=1")
    resolved = made("hi_trs", *sizes).resolved
    training, options, network = resolved.train, resolved.method, resolved.backbone
    assert (training.batch_size, training.accumulate, training.clip_norm, training.trained_epochs) == (256, 4, 1.0, 192)
    steps = 40091 // training.batch_size
    rates = [learning_rate(training, step / steps) for step in (0, 500, 1000, 25500, 50000)]
    assert rates == pytest.approx([0, 2e-4, 4e-4, 2.01e-4, 2e-6], rel=5e-3)
    assert vars(options)["temperature"] == 0.07
    assert (vars(network)["dropout"], resolved.clip.frames, resolved.clip.rotation) == (0.2, 300, 0.0)
