"""Evaluation of contrastive encoders against released scripts: features of a method's encoders, and linear heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import batch, case_of, close, our_graph_name, our_gru_name
from replays import Made, contrasts, graph, made, options, recurrent
from torch import Tensor
from torch.nn import functional

from sslskel.api.encoder import Encoder
from sslskel.api.noise import Noise
from sslskel.evaluation.linear_head import LinearHead, fit_epoch
from sslskel.evaluation.linear_training import mean_logits

SEEDS = (0, 1)
METHODS = {"aimclr": "aimclr", "crossclr3v": "crossclr", "cmd": "cmd", "isc": "isc", "pcm3": "pcm3"}
"""Recording -> our method."""
RECURRENT = ("cmd", "isc", "pcm3")
ENDINGS = {"joint": "", "motion": "_motion", "bone": "_bone"}
"""Stream -> how released code ends its names."""


def recorded_states(case: Recorded) -> dict[str, dict[str, Tensor]]:
    """Encoder and classifier of every stream."""
    every = {stream: case.group(f"state/encoder_q{ending}.") for stream, ending in ENDINGS.items()}
    if not every["joint"]:
        every["joint"] = case.group("state/")
    return {stream: state for stream, state in every.items() if "fc.weight" in state}


def judged(case: Recorded, kind: str) -> tuple[dict[str, Encoder], dict[str, LinearHead]]:
    """What a method with the recorded query encoders hands to protocols, and the recorded classifiers."""
    sizes = recurrent(case) if kind in RECURRENT else graph(case)
    if kind == "pcm3":
        sizes["clip__frames"] = 64
    run = made(METHODS[kind], *options(case, **sizes))
    states, heads = recorded_states(case), {}
    for stream, state in states.items():
        backbone = query_of(run, stream).backbone
        names = {name: our_graph_name(our_gru_name(name)) for name in state if name != "A" and name[:3] != "fc."}
        backbone.load_state_dict({mine: state[name] for name, mine in names.items()})
        if "A" in state:
            close(backbone.graph, state["A"])
        heads[stream] = LinearHead(backbone.dim, case.config["num_classes"], Noise(0), norm=False)
        heads[stream].fc.load_state_dict({name[3:]: state[name] for name in state if name[:3] == "fc."})
    encoders = {stream: encoder.eval() for stream, encoder in run.method.encoders().items()}
    assert list(encoders) == list(heads)
    return encoders, heads


def query_of(run: Made, stream: str) -> torch.nn.Module:
    """The trained tower of a stream; its key keeps other weights."""
    every = contrasts(run.method)
    return every.get(stream, next(iter(every.values()))).query


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", METHODS)
class TestDownstream:
    @pytest.fixture
    def case(self, shared: Path, kind: str, seed: int) -> Recorded:
        return case_of(shared, f"down_linear_{kind}_seed{seed}")

    def features(self, case: Recorded, kind: str, encoders: dict[str, Encoder]) -> dict[str, Tensor]:
        x = batch(case, "in/x5d" if kind in RECURRENT else "in/x")
        with torch.no_grad():
            return {stream: encoder.clip(x) for stream, encoder in encoders.items()}

    def test_features_and_logits(self, case: Recorded, kind: str) -> None:
        encoders, heads = judged(case, kind)
        assert len(encoders) == (3 if kind in ("crossclr3v", "cmd") else 1)
        features = self.features(case, kind, encoders)
        with torch.no_grad():
            logits = {stream: head(features[stream]) for stream, head in heads.items()}
        compared = 0
        for stream, ending in ENDINGS.items():
            for what, outputs in (("out/feature" + ending, features), ("out/logits_" + stream, logits)):
                if what in case:
                    close(outputs[stream], case.tensor(what), 1e-5)
                    compared += 1
        assert compared == {"aimclr": 0, "crossclr3v": 3, "cmd": 6, "isc": 1, "pcm3": 1}[kind]
        if "out/feature_all" in case:
            close(features["joint"], case.tensor("out/feature"), 1e-5)
            close(torch.stack([*features.values()]).mean(0), case.tensor("out/feature_all"), 1e-5)
        close(mean_logits(heads, features), case.tensor("out/logits_all" if kind == "cmd" else "out/logits"), 1e-5)

    def test_training(self, case: Recorded, kind: str) -> None:
        encoders, heads = judged(case, kind)
        features, labels = self.features(case, kind, encoders), case.tensor("in/labels")
        rate, momentum = case.config["lr"], case.config["momentum"]
        decay = case.config["weight_decay"]
        ending = {
            stream: f"_encoder_q{ENDINGS[stream]}" if kind in ("aimclr", "crossclr3v") else "" for stream in heads
        }
        if kind == "crossclr3v":
            # The released script trains three classifiers through their mean, ours one by one.
            optimisers = [torch.optim.SGD(head.parameters(), rate, momentum, 0, decay) for head in heads.values()]
            assert len(case["train/losses"]) == case.config["steps"]
            for step, wanted in enumerate(case["train/losses"]):
                logits = torch.stack([head(features[stream]) for stream, head in heads.items()]).mean(0)
                loss = functional.cross_entropy(logits, labels)
                assert float(loss.detach()) == pytest.approx(float(wanted), rel=1e-5)
                for optimiser in optimisers:
                    optimiser.zero_grad()
                loss.backward()
                if step == 0:
                    for stream, head in heads.items():
                        assert head.fc.weight.grad is not None
                        close(head.fc.weight.grad, case.tensor(f"train/grad{ending[stream]}_weight"), 1e-5)
                for optimiser in optimisers:
                    optimiser.step()
        else:
            head = heads["joint"]
            optimiser = torch.optim.SGD(head.parameters(), rate, momentum, 0, decay)
            for step, wanted in enumerate(case["train/losses"]):
                loss = fit_epoch(head, optimiser, features["joint"], labels, [torch.arange(len(labels))], [rate])
                assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
                for name, parameter in head.fc.named_parameters() if step == 0 else ():
                    recorded = f"train/grad{ending['joint']}_{name}"
                    assert parameter.grad is not None
                    assert recorded in case or name == "bias"
                    if recorded in case:
                        close(parameter.grad, case.tensor(recorded), 1e-5)
            heads = {"joint": head}
        for stream, head in heads.items():
            close(head.fc.weight.detach(), case.tensor(f"train/weight_after{ending[stream]}"), 1e-5)
            close(head.fc.bias.detach(), case.tensor(f"train/bias_after{ending[stream]}"), 1e-5)


@pytest.mark.parametrize("method", ["skeletonclr", "aimclr", "crossclr", "cmd", "isc", "pcm3"])
def test_protocols_get_the_trained_encoder(method: str) -> None:
    sizes = ("backbone.hidden=4",) if method in RECURRENT else ("backbone.width=2", "backbone.dim=4")
    run = made(method, "method.queue=8", *sizes)
    encoders = run.method.encoders()
    assert encoders
    for stream, encoder in encoders.items():
        assert encoder.backbone is query_of(run, stream).backbone
        assert all(parameter.requires_grad for parameter in encoder.parameters())
