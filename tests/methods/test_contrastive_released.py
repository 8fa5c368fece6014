"""Whole contrastive trainings against recorded ones of the released codes: losses, gradients, keys, queues, weights.

They run as any run does, with the method's own recipe; rates, sizes and views are the recorded ones. At other
temperatures and weights, losses follow from the recorded similarities.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded import Recorded
from released_contrast import (
    batch,
    case_of,
    check_gradients,
    check_graphs,
    check_state,
    close,
    from_sequence,
    load,
    ours,
    softened,
    value,
)
from replays import Made, contrasts, graph, made, options, recurrent, spied, train
from torch import Tensor
from torch.nn import functional

import sslskel.methods.aimclr
import sslskel.methods.crossclr
from sslskel.api.batch import StepOutput

SEEDS = (0, 1)
STREAMS = {2: ["joint", "motion"], 3: ["joint", "motion", "bone"]}
in_contrast = partial(ours, place=lambda stream: "contrast.")
in_stream = partial(ours, place=lambda stream: f"streams.{stream}.")
WARM, SHARP = 0.2, 0.03
"""Temperatures that no code has by default."""


def info_nce_of(logits: Tensor) -> float:
    """InfoNCE of recorded logits, whose first column is the own key."""
    return float(functional.cross_entropy(logits.double(), torch.zeros(len(logits), dtype=torch.int64)))


def at(logits: Tensor, temperature: float) -> Tensor:
    """Recorded logits, which were divided by 0.07, at another temperature."""
    return logits * (0.07 / temperature)


def check_queues(run: Made, case: Recorded, prefix: str, tolerance: float) -> None:
    """Queues and their places after a step."""
    for stream, contrast in contrasts(run.method).items():
        ending = "" if stream in ("contrast", "joint") else f"_{stream}"
        before, after = prefix.split("*")
        close(contrast.queue.entries, case.tensor(f"{before}queue{ending}{after}").T, tolerance)
        assert contrast.queue.place == case.tensor(f"{before}queue_ptr{ending}{after}")


class TestSkeletonClr:
    @pytest.fixture(params=SEEDS)
    def case(self, shared: Path, request: pytest.FixtureRequest) -> Recorded:
        return case_of(shared, f"obj_skeletonclr_seed{request.param}")

    def run(self, case: Recorded, **more: object) -> tuple[Made, list[Any]]:
        run = made("skeletonclr", *options(case, **graph(case), **more))
        load(run.method, case, in_contrast)
        return run, [batch(case, "in/query"), batch(case, "in/key")]

    def test_training(self, case: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        run, views = self.run(case)
        calls = spied(monkeypatch, contrasts(run.method)["contrast"], "similarities")

        def on_step(step: int, output: StepOutput) -> None:
            assert value(output, "contrast") == pytest.approx(case["loss/total"][step], rel=1e-4, abs=1e-5)
            [((query, key), similar)] = calls.taken()
            if step == 0:
                for name, mine in (("out/q", query), ("out/k", key), ("out/logits", similar / 0.07)):
                    close(mine.detach(), case.tensor(name))
                check_gradients(run.method, case, in_contrast, 2e-4)
                check_state(run.method, case, "after_forward/", in_contrast, 1e-5)

        train(run, views, tmp_path, on_step)
        check_state(run.method, case, "state_after/", in_contrast, 2e-2)
        check_graphs(run.method, case)

    def test_another_temperature(self, case: Recorded, tmp_path: Path) -> None:
        def on_step(step: int, output: StepOutput) -> None:
            assert value(output, "contrast") == pytest.approx(
                info_nce_of(at(case.tensor("out/logits"), WARM)), rel=1e-4
            )

        train(*self.run(case, method__temperature=WARM), tmp_path, on_step, steps=1)


class TestIsc:
    @pytest.fixture(params=SEEDS)
    def case(self, shared: Path, request: pytest.FixtureRequest) -> Recorded:
        return case_of(shared, f"obj_infonce_isc_seed{request.param}")

    def run(self, case: Recorded, **more: object) -> tuple[Made, list[Any]]:
        own = {"method__contrast": "intra", "method__graph_width": 2}
        run = made("isc", *options(case, **recurrent(case), **own, **more))
        load(run.method, case, partial(ours, place=lambda stream: "sequence."), optional="graph.")
        return run, [from_sequence(case.tensor(name)) for name in ("in/query", "in/key")]

    def test_training_within_one_representation(
        self, case: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        run, views = self.run(case)
        rename = partial(ours, place=lambda stream: "sequence.")
        calls = spied(monkeypatch, contrasts(run.method)["sequence"], "similarities")

        def on_step(step: int, output: StepOutput) -> None:
            assert value(output, "sequence") == pytest.approx(case["loss/total"][step], rel=2e-5 if step else 1e-4)
            [((query, key), similar)] = calls.taken()
            if step == 0:
                for name, mine in (("out/q", query), ("out/k", key), ("out/logits", similar / 0.07)):
                    close(mine.detach(), case.tensor(name))
                assert not case["out/labels"].any(), "the own key stands first"
                check_gradients(run.method, case, rename, 1e-6, part="sequence.")
                check_state(run.method, case, "after_forward/", rename, 1e-5)

        train(run, views, tmp_path, on_step)
        check_state(run.method, case, "state_after/", rename, 1e-5)

    def test_another_temperature(self, case: Recorded, tmp_path: Path) -> None:
        def on_step(step: int, output: StepOutput) -> None:
            assert value(output, "sequence") == pytest.approx(
                info_nce_of(at(case.tensor("out/logits"), WARM)), rel=1e-4
            )

        train(*self.run(case, method__temperature=WARM), tmp_path, on_step, steps=1)


class TestCmd:
    @pytest.fixture(params=SEEDS)
    def case(self, shared: Path, request: pytest.FixtureRequest) -> Recorded:
        return case_of(shared, f"obj_cmd_seed{request.param}")

    def run(self, case: Recorded, **more: object) -> tuple[Made, list[Any]]:
        run = made("cmd", *options(case, **{"method__neighbours": case.config["topk"], **recurrent(case), **more}))
        load(run.method, case, in_stream)
        return run, [batch(case, "in/query"), batch(case, "in/key")]

    def test_training(self, case: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        run, views = self.run(case)
        calls = {name: spied(monkeypatch, one, "similarities") for name, one in contrasts(run.method).items()}
        taught = {name: spied(monkeypatch, one, "neighbourhood") for name, one in contrasts(run.method).items()}

        def on_step(step: int, output: StepOutput) -> None:
            tolerance = 2e-5 if step else 1e-4
            distilled = 0.0
            for stream in calls:
                wanted = case[f"loss/infonce_{stream}"][step]
                assert value(output, f"contrast_{stream}") == pytest.approx(wanted, rel=tolerance)
                for student in set(calls) - {stream}:
                    wanted = case[f"loss/distill_{stream}_to_{student}"][step]
                    assert value(output, f"{stream}_to_{student}") == pytest.approx(wanted, rel=tolerance)
                    distilled += value(output, f"{stream}_to_{student}")
                [((query, key), similar)] = calls[stream].taken()
                [(_, wanted)] = taught[stream].taken()
                if step == 0:
                    for name, mine in (("q", query), ("k", key), ("logits", similar / 0.07)):
                        close(mine.detach(), case.tensor(f"out/{name}_{stream}"))
                    near = wanted.topk(case.config["topk"], dim=1)
                    close(near.values, case.tensor(f"out/teacher_topk_value_{stream}"))
                    assert torch.equal(near.indices, case.tensor(f"out/teacher_topk_index_{stream}").long())
            assert distilled == pytest.approx(case["loss/distill_total"][step], rel=tolerance)
            assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=tolerance)
            if step == 0:
                check_gradients(run.method, case, in_stream, 1e-6)
                check_state(run.method, case, "after_forward/", in_stream, 1e-5)

        train(run, views, tmp_path, on_step)
        check_state(run.method, case, "state_after/", in_stream, 1e-5)

    def test_other_temperatures_weight_and_neighbours(self, case: Recorded, tmp_path: Path) -> None:
        size = 3
        changed = {"method__teacher_temperature": WARM, "method__student_temperature": SHARP}
        more = {"method__temperature": WARM, "method__distil_weight": 0.3, "method__neighbours": size, **changed}
        logits = {stream: case.tensor(f"out/logits_{stream}") for stream in STREAMS[3]}

        def on_step(step: int, output: StepOutput) -> None:
            total = 0.0
            for stream in logits:
                wanted = info_nce_of(at(logits[stream], WARM))
                assert value(output, f"contrast_{stream}") == pytest.approx(wanted, rel=1e-4)
                total += wanted
                # Sorted as recorded: the first are the nearest of all.
                teacher = case.tensor(f"out/teacher_topk_value_{stream}")[:, :size] / WARM
                places = case.tensor(f"out/teacher_topk_index_{stream}")[:, :size].long()
                for student in set(logits) - {stream}:
                    asked = at(logits[student][:, 1:].gather(1, places), SHARP)
                    wanted = softened(asked, teacher)
                    assert value(output, f"{stream}_to_{student}") == pytest.approx(wanted, rel=1e-4)
                    total += 0.3 * wanted
            assert float(output.loss().detach()) == pytest.approx(total, rel=1e-4)

        train(*self.run(case, **more), tmp_path, on_step, steps=1)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["2v_plain", "2v_context", "3v_plain", "3v_context"])
class TestCrosSclr:
    def run(self, case: Recorded, kind: str, **more: object) -> tuple[Made, list[Any]]:
        own = {
            "method__streams": f"[{','.join(STREAMS[int(kind[0])])}]",
            "method__context": kind.endswith("context"),
            "method__neighbours": case.config["topk"],
            "method__cross_epoch": 1.0,
        }
        run = made("crossclr", *options(case, **{**graph(case), **own, **more}))
        load(run.method, case, in_stream)
        return run, [batch(case, "in/query"), batch(case, "in/key")]

    def test_training(
        self, shared: Path, kind: str, seed: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        case = case_of(shared, f"obj_crossclr{kind}_seed{seed}")
        run, views = self.run(case, kind)
        streams = STREAMS[int(kind[0])]
        pairs = [(own, other) for own in streams for other in streams if other != own]
        calls = {name: spied(monkeypatch, one, "similarities") for name, one in contrasts(run.method).items()}
        marked = spied(monkeypatch, sslskel.methods.crossclr, "nearest")
        crossed = spied(monkeypatch, sslskel.methods.crossclr, "positives_nce")

        def on_step(step: int, output: StepOutput) -> None:
            tolerance = 2e-3 if step > 1 else 1e-4 if step else 1e-5
            for stream in streams:
                wanted = case[f"loss/{stream}"][step]
                assert value(output, stream) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
                [((query, key), similar)] = calls[stream].taken()
                close(query.detach(), case.tensor(f"step{step}/q_{stream}"), tolerance)
                close(key, case.tensor(f"step{step}/k_{stream}"), tolerance)
                if step == 0:
                    close(similar.detach() / 0.07, case.tensor(f"step0/logits_{stream}"))
            assert float(output.loss().detach()) == pytest.approx(case["loss/total"][step], rel=1e-4, abs=1e-5)
            found = zip(marked.taken(), crossed.taken(), strict=True)
            for (own, other), ((_, near), ((logits, positive), rows)) in zip(pairs if step else [], found, strict=True):
                name = f"step{step}/{{}}_{own}_from_{other}"
                close(logits.detach(), case.tensor(name.format("logits")), tolerance)
                assert torch.equal(positive, case.tensor(name.format("pos_mask")).bool())
                assert float(rows.detach().mean()) == pytest.approx(
                    float(case[name.format("loss")]), rel=1e-4, abs=1e-5
                )
                assert torch.equal(near, nearest_of(case.tensor(f"step{step}/neighbour_{other}"), near))
            if step < 2:
                check_gradients(run.method, case, in_stream, 2e-3 if step else 2e-4, prefix=f"step{step}/")
                check_state(run.method, case, f"step{step}/after_forward/", in_stream, 1e-3 if step else 1e-5)

        train(run, views, tmp_path, on_step)
        check_state(run.method, case, "state_after/", in_stream, 2e-2)
        check_graphs(run.method, case)

    @pytest.mark.long
    def test_other_temperatures(self, shared: Path, kind: str, seed: int, tmp_path: Path) -> None:
        case = case_of(shared, f"obj_crossclr{kind}_seed{seed}")
        streams, topk = STREAMS[int(kind[0])], case.config["topk"]
        logits = {stream: case.tensor(f"step0/logits_{stream}") for stream in streams}

        def alone(step: int, output: StepOutput) -> None:
            for stream in streams:
                assert value(output, stream) == pytest.approx(info_nce_of(at(logits[stream], WARM)), rel=1e-4)

        def crossed(step: int, output: StepOutput) -> None:
            for stream in streams:
                cosines = logits[stream].double() * 0.07
                wanted = []
                for other in set(streams) - {stream}:
                    near = (logits[other].double() * 0.07)[:, 1:]
                    hit = torch.zeros_like(near).scatter(1, near.topk(topk, dim=1).indices, 1.0)
                    every, positive = [cosines], [torch.ones_like(hit[:, :1]), hit]
                    if kind.endswith("context"):
                        every.append(cosines[:, 1:] * near)
                        positive.append(hit)
                    chances, chosen = (torch.cat(every, 1) / WARM).log_softmax(1), torch.cat(positive, 1)
                    wanted.append(float((-(chances * chosen).sum(1) / chosen.sum(1)).mean()))
                assert value(output, stream) == pytest.approx(sum(wanted) / len(wanted), rel=1e-4)

        train(*self.run(case, kind, method__temperature=WARM), tmp_path / "alone", alone, steps=1)
        later = self.run(case, kind, method__temperature=WARM, method__cross_epoch=0.0)
        # As recorded every key has moved once in the first step, which in the second phase is the motion's alone.
        for contrast in contrasts(later[0].method).values():
            if contrast is not contrasts(later[0].method)["motion"]:
                contrast.follow()
        train(*later, tmp_path / "crossed", crossed, steps=1)


def nearest_of(indices: Tensor, like: Tensor) -> Tensor:
    """(N, K) bool with True at recorded indices."""
    return torch.zeros_like(like).scatter(1, indices.long(), True)


class TestAimClr:
    @pytest.fixture(params=SEEDS)
    def case(self, shared: Path, request: pytest.FixtureRequest) -> Recorded:
        return case_of(shared, f"obj_aimclr_seed{request.param}")

    def run(self, case: Recorded, **more: object) -> tuple[Made, list[Any]]:
        own = {"method__neighbours": case.config["topk"], "method__mining_epoch": 2.0}
        run = made("aimclr", *options(case, **{**graph(case), **own, **more}))
        load(run.method, case, in_contrast)
        return run, [batch(case, f"in/{name}") for name in ("query", "key", "extreme")]

    def test_training(self, case: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        run, views = self.run(case)
        calls = spied(monkeypatch, contrasts(run.method)["contrast"], "similarities")
        dropped = spied(monkeypatch, sslskel.methods.aimclr, "attention_drop")
        marked = spied(monkeypatch, sslskel.methods.aimclr, "nearest")
        mined = spied(monkeypatch, sslskel.methods.aimclr, "positives_nce")
        names = {"contrast": "contrast", "extreme": "ddm_extreme", "dropped": "ddm_extreme_drop"}

        def on_step(step: int, output: StepOutput) -> None:
            tolerance, inner = {3: (2e-3, 5e-3)}.get(step, (1e-4, 1e-3 if step else 5e-5))
            for term, recorded in names.items():
                wanted = case[f"loss/{recorded}"][step]
                assert value(output, term) == pytest.approx(wanted, rel=tolerance, abs=1e-5)
            wanted = case["loss/total"][step]
            assert float(output.loss().detach()) == pytest.approx(wanted, rel=tolerance, abs=1e-5)
            chances = {"q": "target_prob", "q_extreme": "prob_extreme", "q_extreme_drop": "prob_extreme_drop"}
            for name, ((query, key), similar) in zip(chances, calls.taken(), strict=True):
                close(query.detach(), case.tensor(f"step{step}/{name}"), inner)
                close(key, case.tensor(f"step{step}/k"), inner)
                close((similar.detach() / 0.07).softmax(1), case.tensor(f"step{step}/{chances[name]}"), inner)
                if name == "q":
                    close(similar.detach() / 0.07, case.tensor(f"step{step}/logits"), inner)
            self.check_drop(case, step, dropped.taken(), inner)
            branches = ("q", "extreme", "extreme_drop")
            near, positives = marked.taken(), mined.taken()
            assert bool(near) is bool(positives) is (step >= 2)
            for branch, (_, mask) in zip(branches if near else (), near, strict=True):
                assert torch.equal(mask, nearest_of(case.tensor(f"step{step}/neighbour_{branch}"), mask)), branch
            for (_, positive), _ in positives:
                assert torch.equal(positive, case.tensor(f"step{step}/pos_mask").bool())
            check_queues(run, case, f"step{step}/*_after", inner)
            if step == 0:
                check_gradients(run.method, case, in_contrast, 2e-4)
                check_state(run.method, case, "after_forward/", in_contrast, 1e-5)

        train(run, views, tmp_path, on_step)
        check_state(run.method, case, "state_after/", in_contrast, 2e-2)
        check_graphs(run.method, case)

    def check_drop(self, case: Recorded, step: int, calls: list[Any], tolerance: float) -> None:
        """What was dropped: joints whose attention is high, then values."""
        [((maps, above), after)] = calls
        assert above == case.config["keep_prob"]
        weight = sslskel.methods.aimclr.attention(maps.detach())
        assert torch.equal(weight.mean((1, 3)) < above, case.tensor(f"step{step}/joint_kept").bool())
        kept = (weight < above).permute(0, 3, 2, 1).flatten(1, 2)
        wanted = float(case[f"step{step}/element_kept_fraction"])
        assert float(kept.double().mean()) == pytest.approx(wanted, abs=2e-4 if step < 3 else 5e-3)
        if step == 0:
            assert int((kept != case.tensor("step0/element_kept").bool()).sum()) < 6
            for name, mine in (("drop_in", maps), ("drop_out", after)):
                close(mine.detach().permute(0, 3, 1, 2), case.tensor(f"step0/{name}"), tolerance)

    def test_another_temperature(self, case: Recorded, tmp_path: Path) -> None:
        logits = at(case.tensor("step0/logits").double(), WARM)

        def on_step(step: int, output: StepOutput) -> None:
            assert value(output, "contrast") == pytest.approx(info_nce_of(logits), rel=1e-4)
            for term, recorded in (("extreme", "prob_extreme"), ("dropped", "prob_extreme_drop")):
                chances = at(case.tensor(f"step0/{recorded}").double().log(), WARM).log_softmax(1)
                wanted = float(-(logits.softmax(1) * chances).sum(1).mean())
                assert value(output, term) == pytest.approx(wanted, rel=1e-3)

        train(*self.run(case, method__temperature=WARM), tmp_path, on_step, steps=1)

    def test_another_threshold(self, case: Recorded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        dropped = spied(monkeypatch, sslskel.methods.aimclr, "attention_drop")

        def on_step(step: int, output: StepOutput) -> None:
            [((maps, _), after)] = dropped.taken()
            weight = sslskel.methods.aimclr.attention(maps)
            kept = (weight < 0.65) & (weight.mean((1, 3), keepdim=True) < 0.65)
            assert 0 < int(kept.sum()) < kept.numel()
            assert torch.equal(after != 0, kept & (maps != 0))

        train(*self.run(case, method__drop_above=0.65), tmp_path, on_step, steps=1)
