"""Predict & Cluster against both recorded releases: trainings, auto-encoder, neighbours, and the making of clips."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import close
from released_predict_cluster import PORTED, Replay, case_of, files, keep_gradients, norm_of, ours, replay
from replays import made, train
from stored_clips import clips_of
from torch import Tensor, nn
from toy_features import Pass, given, run_of

from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise
from sslskel.api.skeleton import NTU25
from sslskel.config.compose import compose
from sslskel.config.groups import Schedule, TrainConfig
from sslskel.engine.schedule import learning_rate
from sslskel.methods.predict_cluster import READ_OUT
from sslskel.nn.auto_encoder import AutoEncoder
from sslskel.nn.sequence_decoder import DecoderKind
from sslskel.protocols.knn import Knn, KnnConfig, Ties
from sslskel.transforms.body_axes import Landmarks, OnePerson, rescaled, turned


def recordings(kind: str) -> list[Any]:
    """Files of a kind, as parameters of a test; all but the first are long."""
    first, *others = files(kind)
    return [first, *(pytest.param(name, marks=pytest.mark.long) for name in others)]


PORT = [name for kind in PORTED for name in recordings(f"pc_torch_{kind}")]
TENSORFLOW = [name for kind in ("fw", "fs") for name in recordings(f"pc_tensorflow_{kind}")]
ADAM = 2e-4
CANCELS = "decoder.read_out.bias"
"""Signs of single differences cancel exactly in its gradient, whose rounding Adam makes into steps."""


def kind_of(name: str) -> str:
    """The decoder of a file."""
    return PORTED[name.split("_")[2]]


def followed(replayed: Replay, case: Recorded, losses: Tensor, folder: Path) -> list[float]:
    """Train on the recorded clips; losses and first gradients are those recorded. Norms of the gradient by step."""
    method, norms = replayed.run.method, []
    gradients = keep_gradients(method)

    def on_step(step: int, output: StepOutput) -> None:
        assert float(output.loss().detach()) == pytest.approx(float(losses[step]), rel=1e-5)
        norms.append(norm_of(gradients))
        if step == 0 and any(name.startswith("grad/") for name in case):
            wanted = {name: tensor for name, tensor in ours(case, "grad/").items() if name in gradients}
            assert set(wanted) == set(gradients)
            apart = {name: gradients[name] - tensor for name, tensor in wanted.items()}
            assert norm_of(apart) <= 1e-5 * norms[0]

    train(replayed.run, [replayed.batch], folder, on_step)
    return norms


def same_weights(method: nn.Module, wanted: dict[str, Tensor], cancelling: str = CANCELS) -> None:
    """Weights after the recorded steps; of the one named ``cancelling`` single elements may be apart."""
    state = method.state_dict()
    assert set(state) == set(wanted)
    for name, tensor in wanted.items():
        if name == cancelling:
            apart = (state[name] - tensor).abs()
            assert float(apart.median()) <= ADAM * float(tensor.abs().max()), name
            assert float(apart.max()) <= 2.5e-2 * float(tensor.abs().max()), name
        else:
            close(state[name], tensor, ADAM)


def moved(before: dict[str, Tensor], after: nn.Module) -> float:
    """Farthest that a weight of the decoder's GRU has come."""
    names = [name for name in before if name.startswith("decoder.cell.")]
    return max(float((after.state_dict()[name] - before[name]).abs().max()) for name in names)


@pytest.mark.parametrize("name", PORT)
def test_the_port(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    replayed = replay(case, "predict_cluster_pytorch", method__decoder=kind_of(name))
    method: Any = replayed.run.method
    mine = {ours_of for ours_of, p in method.named_parameters() if p.requires_grad}
    assert mine == set(ours(case, "state/")), "both releases train all weights"
    assert len(mine) == len(case["config/trained_parameters"])
    with torch.no_grad():
        feature, frames = method.network.clip(replayed.batch), case.tensor("in/frames")
        made_of_it = method.decoder(feature, frames)
    close(feature, case.tensor("out/encoder_hidden")[0])
    assert float((feature - case.tensor("control/ordinary_bidirectional")).abs().max()) > 1e-3
    close(made_of_it, case.tensor("out/decoded"))
    errors = (made_of_it - frames).abs().sum(2) * replayed.batch.valid
    masked = float((errors.sum(1) / replayed.batch.valid.sum(1)).mean())
    assert masked == pytest.approx(float(case["control/loss_masked"]), rel=1e-5)
    losses, before = case.tensor("loss/total"), ours(case, "state/")
    if not bool(replayed.batch.valid.all()):
        assert abs(masked - float(losses[0])) > 1e-2 * masked, "the port's loss counts padding"
    norms = followed(replayed, case, losses, tmp_path)
    assert norms == pytest.approx(case["grad/total_norm"].tolist(), rel=1e-4)
    same_weights(method, ours(case, "state_after/"))
    if "control/decoder_gru_moved" in case:
        assert moved(before, method) == pytest.approx(float(case["control/decoder_gru_moved"]), rel=1e-2)


@pytest.mark.parametrize("name", recordings("pc_torch_fw"))
def test_fidelity_paper_really_fixes_the_weights(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    replayed = replay(case, "predict_cluster_pytorch", method__fidelity="paper")
    followed(replayed, case, case.tensor("control/frozen_gru_loss"), tmp_path)
    same_weights(replayed.run.method, ours(case, "control/frozen_gru_after/"))
    assert moved(ours(case, "state/"), replayed.run.method) == 0


@pytest.mark.parametrize("name", TENSORFLOW)
def test_the_paper_s_release(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    replayed = replay(case, "predict_cluster", method__decoder=kind_of(name))
    method: Any = replayed.run.method
    assert {one for one, p in method.named_parameters() if p.requires_grad} == set(ours(case, "state/"))
    assert len(case["config/trained_variables"]) == len(ours(case, "state/"))
    states: list[Tensor] = []
    hook = method.decoder.read_out.register_forward_hook(lambda _, inputs, output: states.append(inputs[0]))
    with torch.no_grad():
        feature = method.network.clip(replayed.batch)
        frames = method.decoder(feature, case.tensor("in/frames"))
    hook.remove()
    close(feature, case.tensor("out/encoder_hidden"))
    wanted, valid = case.tensor("out/decoder_outputs"), replayed.batch.valid[..., None]
    if method.decoder.predicts:
        longest = wanted.shape[1]
        close((frames * valid[:, 1:])[:, :longest], wanted)
    else:
        close(states[0] * valid, wanted)
    before = ours(case, "state/")
    norms = followed(replayed, case, case.tensor("loss"), tmp_path)
    assert norms[0] == pytest.approx(float(case["grad/total_norm"]), rel=1e-5)
    same_weights(method, ours(case, "state_after/"), "" if method.decoder.predicts else CANCELS)
    assert moved(before, method) == pytest.approx(float(case["control/decoder_gru_moved"]), rel=1e-2)


def glorot(weight: Tensor) -> float:
    """The largest weight of a Xavier-uniform start."""
    return math.sqrt(6 / (weight.shape[0] + weight.shape[1]))


@pytest.mark.parametrize("name", TENSORFLOW)
def test_start_and_rate_of_the_paper_s_release(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    run = replay(case, "predict_cluster", weights=False, method__decoder=kind_of(name)).run
    state = run.method.state_dict()
    start = ours(case, "init/")
    assert start
    for part, theirs in start.items():
        mine = state[part]
        assert mine.shape == theirs.shape
        if "read_out" in part and run.method.decoder.kind is DecoderKind.fixed_state:  # type: ignore[union-attr]
            bounds = [READ_OUT] * 2
        elif theirs.ndim > 1:
            bounds = [glorot(theirs)] * 2
        else:
            assert torch.equal(mine, theirs), part
            continue
        for values, bound in zip((mine, theirs), bounds, strict=True):
            assert 0.8 * bound < float(values.abs().max()) <= bound * (1 + 1e-6), part
    recipe = compose("predict_cluster", backbone="gru_lengths", preset="released").train
    recipe.lr = case.config["lr"]
    after = learning_rate(recipe, recipe.milestones[0])
    assert after == pytest.approx(float(case["lr/after_one_decay"]), rel=1e-6)
    assert learning_rate(recipe, recipe.milestones[0] - 1) == recipe.lr


class Given(nn.Module):
    """In place of a network: recorded features."""

    def __init__(self, features: Tensor) -> None:
        super().__init__()
        self.features = features

    def forward(self, batch: Batch, noise: Noise | None = None) -> Tensor:
        return self.features


@pytest.mark.parametrize("name", recordings("pc_torch_aec_knn"))
def test_codes_and_their_neighbours(shared: Path, name: str, tmp_path: Path) -> None:
    case, widths = case_of(shared, name), None
    config, features = case.config, case.tensor("in/train")
    widths = "[" + ",".join(map(str, config["widths"])) + "]"
    options = {"method.code": config["middle"], "method.code_widths": widths, "backbone.hidden": config["dim"] // 2}
    options |= {"train.lr": config["lr"], "train.epochs": config["steps"], "train.batch_size": len(features)}
    options |= {
        "train.optimiser": "adam",
        "train.schedule": "constant",
        "train.clip_norm": 0,
        "engine.device": "cpu",
        "backbone.layers": 1,
    }
    run = made("predict_cluster", *(f"{key}={value}" for key, value in options.items()))
    method: Any = run.method
    method.compressor.load_state_dict(case.group("state/"))
    method.network.inner = Given(features)
    losses: list[float] = []
    clips = Batch.from_dense(torch.rand(len(features), 3, 2, 25, 1))
    train(run, [clips], tmp_path, lambda step, output: losses.append(float(output.loss().detach())))
    assert losses == pytest.approx(case["loss"].tolist(), rel=1e-5)
    assert [learning_rate(run.resolved.train, step) for step in range(len(losses))] == case["lr"].tolist()
    compressor: AutoEncoder = method.compressor
    for part, tensor in case.group("state_after/").items():
        close(compressor.state_dict()[part], tensor, ADAM)
    compressor.load_state_dict(case.group("state_after/"))
    with torch.no_grad():
        codes = {part: compressor.encoder(case.tensor(f"in/{part}")) for part in ("train", "test")}
        close(compressor(features), case.tensor("out/reconstruction"))
    for part, code in codes.items():
        close(code, case.tensor(f"out/code_{part}"))
    labels = [case.tensor(f"in/{part}_label").long() for part in ("train", "test")]
    raw = {part: case.tensor(f"in/{part}") for part in ("train", "test")}
    for kind, rows in (("raw", raw), ("code", codes)):
        for k in (1, 5):
            parts, truth = given(rows["train"], labels[0], rows["test"], labels[1], int(labels[0].max()) + 1)
            knn = Knn(KnnConfig(k=k, ties=Ties.smallest))
            outcome = knn.evaluate({"joint": Pass(rows["train"].shape[1])}, parts, run_of())
            wanted = float(case[f"knn/accuracy_{kind}_k{k}"])
            assert knn.score(outcome, truth)["top1"] == pytest.approx(wanted, abs=1e-9), (kind, k)


@pytest.mark.parametrize("name", recordings("pc_torch_aec_knn"))
def test_the_auto_encoder_s_rate_can_be_set(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    rates, start = case["lr_rule"], case.config["lr"]
    steps = TrainConfig(
        lr=start, schedule=Schedule.step, decay=0.95, milestones=list(range(50, len(rates), 50)), warmup_epochs=0
    )
    assert [learning_rate(steps, step) for step in range(len(rates))] == pytest.approx(rates.tolist(), rel=1e-12)


def raw_clips(case: Recorded) -> list[str]:
    return case.beginnings("clip")


def as_batch(frames: Tensor) -> Batch:
    """(T, V*3) -> a clip whose frames all count."""
    tracks = frames.unflatten(1, (-1, 3))[None]
    one = torch.zeros(1, dtype=torch.int64)
    valid = torch.ones(1, len(frames), dtype=torch.bool)
    return Batch(tracks, valid, one, one, one, one - 1, one - 1)


@pytest.mark.parametrize("name", recordings("pc_preprocess"))
def test_clips_are_made_as_released(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    target, joints = case.config["target"], Landmarks.of(NTU25)
    assert raw_clips(case)
    for clip in raw_clips(case):
        raw = as_batch(case.tensor(f"{clip}/raw"))
        whole = (raw.tracks != 0).flatten(2).all(2)
        seen = turned(raw.tracks, raw.valid, joints, mirrored=True)
        close(seen[0][whole[0]].flatten(1), case.tensor(f"{clip}/view_invariant"), 1e-12)
        close(rescaled(seen, whole)[0][whole[0]].flatten(1), case.tensor(f"{clip}/normalised"), 1e-12)
        for landmarks, wanted in ((joints, "sampled"), (None, "sampled_direct")):
            ready = OnePerson(target, landmarks, mirrored=True)(raw)
            close(ready.tracks[0][ready.valid[0]].flatten(1), case.tensor(f"{clip}/{wanted}"), 1e-12)
        proper = turned(raw.tracks, raw.valid, joints, mirrored=False)
        other_way = torch.tensor([1.0, -1.0, 1.0], dtype=proper.dtype)
        close(proper, seen * other_way, 1e-12)


@pytest.mark.parametrize("name", recordings("pc_preprocess"))
def test_clips_of_a_run_are_made_as_released(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    arrays = [case.tensor(f"{clip}/raw").unflatten(1, (-1, 3)).permute(2, 0, 1)[..., None] for clip in raw_clips(case)]
    longest = max(array.shape[1] for array in arrays)
    method: Any = made(
        "predict_cluster",
        f"clip.frames={case.config['target']}",
        f"method.read_frames={longest}",
        "backbone.hidden=4",
        "engine.device=cpu",
    ).method
    source = clips_of(tmp_path, arrays, method.clip)
    [view] = method.views()
    assert view == method.encoders()["joint"].spec.test_view, "protocols show the encoder what it was trained on"
    ready = method.network.prepared(source.batch(torch.arange(len(arrays)), view, Noise(0)))
    for clip, tracks, valid in zip(raw_clips(case), ready.tracks, ready.valid, strict=True):
        close(tracks[valid].flatten(1), case.tensor(f"{clip}/sampled"), 1e-5)
        assert not bool(tracks[~valid].any())
