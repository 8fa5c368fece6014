"""MS2L against recorded runs of the released code: its inputs from stored clips, every term, clipping, weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import close, value
from released_sequences import case_of, files, ms2l_clips, ms2l_name, ms2l_run, ms2l_state
from replays import Made, RecordedClips, spied, train

import sslskel.methods.ms2l
from sslskel.api.batch import Batch, StepOutput
from sslskel.api.noise import Noise, ReplayNoise
from sslskel.methods.ms2l import shuffled
from sslskel.nn.gru import axis_by_axis
from sslskel.nn.lengths import mean_up_to

PARTS = ("encoder.", "motion_head.", "jigsaw_head.", "contrast_head.")
"""Beginnings of our names, in the order of the recorded norms."""


def drawn(case: Recorded, run: Made, folder: Path) -> Batch:
    """The recorded clips without their padding, stored, and read as the method asks for them."""
    source = ms2l_clips(case, case.tensor("in/data_nctvm"), run.method.clip, folder)
    [view] = run.method.views()
    return source.batch(torch.arange(len(source)), view, Noise(0))


@pytest.mark.parametrize("name", files("ms2l"))
def test_clips_are_padded_as_released(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    run = ms2l_run(case)
    batch = drawn(case, run, tmp_path)
    assert torch.equal(batch.dense(case.config["persons"]), case.tensor("in/data_nctvm"))
    assert batch.lengths().tolist() == case["in/lengths"].tolist() == case.config["lengths"]
    assert torch.equal(axis_by_axis(batch.joined(case.config["persons"]), run.method.clip), case.tensor("in/frames"))


@pytest.mark.parametrize("name", files("ms2l"))
def test_training(shared: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = case_of(shared, name)
    run = ms2l_run(case)
    method = run.method
    assert method.orders.tolist() == case["jigsaw/permutations"].tolist()  # type: ignore[union-attr,operator]
    assert run.resolved.method.clip_norm == case.config["clip"]  # type: ignore[attr-defined]
    method.load_state_dict(ms2l_state(case, "state/"))
    reads, terms = spied(monkeypatch, method, "_read"), spied(monkeypatch, sslskel.methods.ms2l, "nt_xent")
    heads = {
        part: spied(monkeypatch, getattr(method, part), "forward")
        for part in ("motion_head", "jigsaw_head", "contrast_head")
    }

    def on_step(step: int, output: StepOutput) -> None:
        for term in ("motion", "jigsaw", "contrast"):
            assert value(output, term) == pytest.approx(case[f"loss/{term}"][step], rel=1e-5)
        assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-5)
        for (_, losses), wanted in zip(terms.taken(), case["loss/contrast_terms"][step], strict=True):
            assert float(losses.detach().mean()) == pytest.approx(float(wanted), rel=1e-5)
        gradients = {n: p.grad for n, p in method.named_parameters() if p.grad is not None}
        norms = [torch.stack([g.norm() for n, g in gradients.items() if n.startswith(part)]).norm() for part in PARTS]
        for norm, wanted in zip(norms, case["grad/norms_encoder_motion_jigsaw_contra"][step], strict=True):
            assert float(norm) == pytest.approx(min(float(wanted), case.config["clip"]), rel=1e-4), "clipped apart"
        if step == 0:
            check_first_pass()
            recorded = case.tensor("grad/norms_encoder_motion_jigsaw_contra")[0]
            # Recorded before they are clipped, ours are seen behind that.
            kept = dict(zip(PARTS, (case.config["clip"] / (recorded + 1e-6)).clamp(max=1), strict=True))
            for theirs in (name for name in case if name.startswith("grad/") and "norms" not in name):
                ours = ms2l_name(theirs.removeprefix("grad/"))
                full = case.tensor(theirs) * kept[next(part for part in PARTS if ours.startswith(part))]
                assert float((gradients[ours] - full).norm() / recorded.norm()) < 1e-5, ours
        assert case["lr"][step] == pytest.approx(run.resolved.train.lr)

    def check_first_pass() -> None:
        passes = reads.taken()
        lengths = case.tensor("step0/lengths_after_jigsaw")
        assert case.config["segments"] * (lengths // case.config["segments"]).min() > 0
        for kind, ((frames, valid), (states, feature)) in zip(("plain", "masked", "jigsaw"), passes, strict=True):
            wanted = case.tensor("in/frames") if kind == "plain" else case.tensor(f"step0/{kind}")
            assert torch.equal(axis_by_axis(frames, method.clip), wanted), kind
            assert torch.equal(valid[..., 0].sum(1), lengths)
            close(states.detach(), case.tensor(f"step0/feature_{kind}"))
            close(feature.detach(), mean_up_to(states.detach(), lengths), 1e-6)
        calls = {part: [result.detach() for _, result in heads[part].taken()] for part in heads}
        [motion], [jigsaw] = calls["motion_head"], calls["jigsaw_head"]
        close(motion, case.tensor("step0/predicted_motion"))
        close(jigsaw, case.tensor("step0/jigsaw_logits"))
        for kind, embedding in zip(("plain", "masked", "jigsaw"), calls["contrast_head"], strict=True):
            close(embedding, case.tensor(f"step0/embedding_{kind}"))

    def draws(step: int) -> Noise:
        return ReplayNoise({"jigsaw": case.tensor("draws/jigsaw_label")[step]})

    train(run, RecordedClips([drawn(case, run, tmp_path / "data")]), tmp_path / "run", on_step, draws=draws)
    mine = method.state_dict()
    for place, wanted in ms2l_state(case, "state_after/").items():
        if place.endswith(("_head.0.bias", "running_mean")):
            # In front of a norm: no gradient but rounding, of which Adam makes whole steps; its mean goes with it.
            assert float((mine[place] - wanted).abs().max()) < 2.02 * case["lr"].sum(), place
            continue
        if not wanted.is_floating_point():
            assert int(mine[place]) == int(wanted), place
            continue
        close(mine[place], wanted, 2e-4)


@pytest.mark.parametrize("name", files("ms2l")[:1])
def test_the_encoder_and_every_head_are_clipped_apart(shared: Path, name: str, tmp_path: Path) -> None:
    case = case_of(shared, name)
    run = ms2l_run(case, method__clip_norm=0.01, train__epochs=1)

    def on_step(step: int, output: StepOutput) -> None:
        gradients = {n: p.grad for n, p in run.method.named_parameters() if p.grad is not None}
        for part in PARTS:
            norm = torch.stack([g.norm() for n, g in gradients.items() if n.startswith(part)]).norm()
            assert float(norm) == pytest.approx(0.01, rel=1e-3), part

    train(run, RecordedClips([drawn(case, run, tmp_path / "data")]), tmp_path / "run", on_step)


@pytest.mark.parametrize("name", files("ms2l"))
def test_weights_start_as_released(shared: Path, name: str) -> None:
    case = case_of(shared, name)
    run = ms2l_run(case)
    mine = run.method.state_dict()
    assert set(mine) == set(ms2l_state(case, "state/"))
    recorded = ms2l_state(case, "init/")
    assert bool(recorded) is bool(case.config.get("keep_init"))
    for place, wanted in recorded.items():
        ours = mine[place]
        assert ours.shape == wanted.shape
        if len(wanted.unique()) == 1:
            assert torch.equal(ours, wanted), place
        elif "weight_hh" in place and place.startswith("encoder"):
            for matrix in (ours, wanted):
                close(matrix.T @ matrix, torch.eye(matrix.shape[1]), 1e-5)
        else:
            # Drawn by other generators: the same spread and the same kind of edge.
            assert float(ours.std()) == pytest.approx(float(wanted.std()), rel=0.25), place
            assert float(ours.abs().max()) == pytest.approx(float(wanted.abs().max()), rel=0.35), place


def test_the_first_order_changes_nothing() -> None:
    frames = torch.randn(3, 11, 2, 3, generator=torch.Generator().manual_seed(0))
    lengths = torch.tensor([11, 7, 3])
    assert torch.equal(shuffled(frames, lengths, torch.tensor([[0, 1, 2]] * 3)), frames)
    turned = shuffled(frames, lengths, torch.tensor([[2, 0, 1]] * 3))
    assert torch.equal(turned[0], frames[0, [6, 7, 8, 0, 1, 2, 3, 4, 5, 9, 10]])
    assert torch.equal(turned[1, :7], frames[1, [4, 5, 0, 1, 2, 3, 6]])
    assert torch.equal(turned[:, :, 0].sum((1, 2)).isfinite(), torch.ones(3, dtype=torch.bool))
