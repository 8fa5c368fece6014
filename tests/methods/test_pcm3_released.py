"""PCM3 trainings against recorded ones of the released code: small ones with and without prompts, one at full size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from recorded import Recorded
from released_contrast import batch, case_of, check_gradients, check_state, close, load, softened, value
from released_pcm3 import in_pcm3, pcm3, pcm3_draws
from replays import Made, Spied, spied, train
from torch import Tensor
from torch.nn import functional

import sslskel.methods.pcm3
from sslskel.api.batch import StepOutput
from sslskel.api.skeleton import PARTS

QUERIES = {"query": "q", "masked": "masked", "predicted": "predicted", "mix": "mix"}
"""Our name of a query -> the recorded one."""
WARM, SHARP = 0.2, 0.03
"""Temperatures that no code has by default."""


def frames_of(x: Tensor) -> Tensor:
    """(N, C, T, V, M) -> (N, T, V*C*M), the numbers of a frame as recurrent networks read them."""
    return x.permute(0, 2, 3, 1, 4).flatten(2)


class Inner:
    """What goes on inside a step, noted."""

    def __init__(self, run: Made, monkeypatch: pytest.MonkeyPatch) -> None:
        method: Any = run.method
        self.contrast = method.contrast
        self.similar = spied(monkeypatch, method.contrast, "similarities")
        self.mixed = spied(monkeypatch, sslskel.methods.pcm3, "mix_clips")
        self.planned = spied(monkeypatch, sslskel.methods.pcm3, "mix_plan")
        self.errors = spied(monkeypatch, sslskel.methods.pcm3, "masked_error")

    def taken(self) -> tuple[list[Any], Any, Any, tuple[Any, ...]]:
        """Calls of the similarities; the mix; its plan; arguments of the error."""
        notes: list[Spied] = [self.mixed, self.planned, self.errors]
        [(_, mix)], [(_, plan)], [(error, _)] = (note.taken() for note in notes)
        return self.similar.taken(), mix, plan, error


def check_terms(case: Recorded, output: StepOutput, similar: list[Any], step: int) -> None:
    """Every recorded term of a loss, and their sum. Without prompts the released code computes distillation in vain."""
    tolerance, prompts, distilled = 2e-5 if step else 1e-4, case.config["prompts"], 0.0
    for (mine, theirs), ((_, key), cosines) in zip(QUERIES.items(), similar, strict=True):
        wanted = case[f"loss/infonce_{theirs}"][step]
        assert value(output, f"contrast_{mine}") == pytest.approx(wanted, rel=tolerance)
        wanted = case[f"loss/kl_{theirs}"][step]
        assert (f"distil_{mine}" in output.terms) is prompts
        if prompts:
            found = value(output, f"distil_{mine}")
        else:
            found = (
                softened(cosines.detach()[:, 1:] / 0.1, key @ case.tensor("state/queue") / 0.05) if not step else wanted
            )
        assert found == pytest.approx(wanted, rel=tolerance)
        distilled += found
    assert distilled == pytest.approx(case["loss/kl_total"][step], rel=tolerance)
    assert value(output, "prediction") == pytest.approx(case["loss/mse"][step], rel=tolerance)
    assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=tolerance)


def kind_of(plan: Any) -> int:
    """0 for a cut, 1 for a cut that is sped up, 2 for a blend."""
    if len(plan.weight.unique()) == 1:
        return 2
    return int(not torch.equal(plan.frame, torch.arange(len(plan.frame))))


def check_inner(case: Recorded, similar: list[Any], mix: Any, plan: Any, error: tuple[Any, ...]) -> None:
    """Mixes, hidden numbers, the prediction, embeddings and logits of the first step."""
    assert torch.equal(mix.partner, case.tensor("out/mix_partner"))
    close(mix.share, case.tensor("out/mix_lambda"), 1e-6)
    close(plan.weight[::4], case.tensor("out/mix_mask"), 1e-6)
    if "out/mix_input" in case:
        persons = mix.tracks.unflatten(2, (2, 25)).permute(0, 4, 1, 3, 2)
        close(persons, case.tensor("out/mix_input"), 1e-6)
    predicted, _, hidden, _ = error
    visible = case.tensor("out/mask").permute(0, 1, 3, 4, 2).flatten(2)
    assert torch.equal(~hidden.expand(visible.shape), visible.bool())
    close(predicted.detach(), frames_of(case.tensor("out/prediction")), 1e-5)
    for (mine, theirs), ((query, key), cosines) in zip(QUERIES.items(), similar, strict=True):
        close(query.detach(), case.tensor("out/q" if theirs == "q" else f"out/q_{theirs}"), 1e-5)
        close(key, case.tensor("out/k_mix" if mine == "mix" else "out/k"), 1e-5)
        close(cosines.detach() / 0.07, case.tensor(f"out/logits_{theirs}"), 1e-5)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("kind", ["prompt", "noprompt"])
class TestSmall:
    def run(self, case: Recorded, **more: object) -> tuple[Made, list[Any]]:
        run = pcm3(case, **more)
        load(run.method, case, lambda name: in_pcm3(name, case.config["prompts"]))
        return run, [batch(case, f"in/{name}") for name in ("v1", "v2", "v3")]

    def test_training(
        self, shared: Path, kind: str, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        case = case_of(shared, f"obj_pcm3_{kind}_seed{seed}")
        run, views = self.run(case)
        rename = lambda name: in_pcm3(name, case.config["prompts"])  # noqa: E731
        inner = Inner(run, monkeypatch)

        def on_step(step: int, output: StepOutput) -> None:
            similar, mix, plan, error = inner.taken()
            check_terms(case, output, similar, step)
            assert kind_of(plan) == case["draws/mix_kind"][step]
            if step == 0:
                check_inner(case, similar, mix, plan, error)
                check_gradients(run.method, case, rename, 1e-6)
                check_state(run.method, case, "after_forward/", rename, 1e-5)

        train(run, views, tmp_path, on_step, draws=lambda step: pcm3_draws(case, step))
        check_state(run.method, case, "state_after/", rename, 1e-5)
        if not case.config["prompts"]:
            for name in [name for name in case if name.startswith("state/") and name.endswith("prompt")]:
                after = case.tensor(name.replace("state/", "state_after/"))
                assert torch.equal(case.tensor(name), after), "a prompt that is not used stays"

    def test_other_weights_and_temperatures(self, shared: Path, kind: str, seed: int, tmp_path: Path) -> None:
        case = case_of(shared, f"obj_pcm3_{kind}_seed{seed}")
        soft = {"method__teacher_temperature": WARM, "method__student_temperature": SHARP}
        weights = {"method__prediction_weight": 3.0, "method__distil_weight": 0.5}

        def on_step(step: int, output: StepOutput) -> None:
            total = 3.0 * float(case["loss/mse"][0])
            for mine, theirs in QUERIES.items():
                cosines = case.tensor(f"out/logits_{theirs}").double() * 0.07
                wanted = float(functional.cross_entropy(cosines / WARM, torch.zeros(len(cosines), dtype=torch.int64)))
                assert value(output, f"contrast_{mine}") == pytest.approx(wanted, rel=1e-4)
                total += wanted
                if kind == "prompt":
                    key = case.tensor("out/k_mix" if mine == "mix" else "out/k")
                    wanted = softened(cosines[:, 1:] / SHARP, key @ case.tensor("state/queue") / WARM)
                    assert value(output, f"distil_{mine}") == pytest.approx(wanted, rel=1e-4)
                    total += 0.5 * wanted
            assert float(output.loss().detach()) == pytest.approx(total, rel=1e-4)

        run, views = self.run(case, method__temperature=WARM, **soft, **weights)
        train(run, views, tmp_path, on_step, draws=lambda step: pcm3_draws(case, step), steps=1)

    def test_another_share_of_hidden_parts(
        self, shared: Path, kind: str, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        case = case_of(shared, f"obj_pcm3_{kind}_seed{seed}")
        run, views = self.run(case, method__mask_ratio=0.2)
        inner = Inner(run, monkeypatch)

        def on_step(step: int, output: StepOutput) -> None:
            hidden = inner.taken()[3][2].unflatten(1, (25, 3, 2))[..., 0]
            parts = pcm3_draws(case, 0).permutation("topology.parts", 5)
            layout = run.method.clip.layout
            for at, [first, *_] in enumerate(parts.tolist()):
                wanted = sorted(layout.part(PARTS[first]))
                assert hidden[8 * at : 8 * at + 8].any((0, 2)).nonzero().flatten().tolist() == wanted

        train(run, views, tmp_path, on_step, draws=lambda step: pcm3_draws(case, step), steps=1)


def from_recipe(case: Recorded) -> dict[str, Tensor]:
    """The weights of the full size, which are computed rather than kept (README of the recordings)."""
    recipe = (case[f"recipe/{part}"] for part in ("names", "salts", "scales", "shapes", "checksum"))
    tensors = {}
    for name, salt, scale, text, checksum in zip(*recipe, strict=True):
        shape = [int(word) for word in str(text).strip("()").split(",") if word.strip()]
        h = np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64)
        h = (h * np.uint64(2654435761) + np.uint64(int(salt) * 40503)) % np.uint64(2**32)
        h = ((h ^ (h >> np.uint64(15))) * np.uint64(2246822519)) % np.uint64(2**32)
        u = (2 * (h ^ (h >> np.uint64(13))).astype(np.float64) / 2**32 - 1).reshape(shape)
        if name.endswith("running_mean"):
            w = np.zeros(shape)
        elif name.endswith("running_var"):
            w = np.ones(shape)
        elif name == "queue":
            w = u / np.linalg.norm(u, axis=0, keepdims=True)
        else:
            w = u * float(scale) + (name.endswith("input_norm.weight") or name == "linear.1.weight")
        tensors[str(name)] = torch.from_numpy(w.astype(np.float32))
        found = float(np.abs(tensors[str(name)].numpy()).sum(dtype=np.float64))
        assert found == pytest.approx(float(checksum), rel=1e-4), name
    return tensors


@pytest.mark.long
def test_full_size(shared: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    case = case_of(shared, "obj_pcm3_fullsize_seed0")
    run = pcm3(case)
    rename = lambda name: in_pcm3(name, prompts=True)  # noqa: E731
    state = run.method.state_dict()
    with torch.no_grad():
        for name, wanted in from_recipe(case).items():
            place = rename(name)
            if place is not None and not name.endswith("num_batches_tracked"):
                state[place].copy_(wanted.T if name == "queue" else wanted.reshape(state[place].shape))
    inner = Inner(run, monkeypatch)

    def on_step(step: int, output: StepOutput) -> None:
        similar, mix, plan, error = inner.taken()
        check_terms(case, output, similar, step)
        check_inner(case, similar, mix, plan, error)
        assert kind_of(plan) == case["draws/mix_kind"][0]
        check_gradients(run.method, case, rename, 1e-6)
        check_state(run.method, case, "after_forward/", rename, 1e-5)

    views = [batch(case, f"in/{name}") for name in ("v1", "v2", "v3")]
    train(run, views, tmp_path, on_step, draws=lambda step: pcm3_draws(case, step))
