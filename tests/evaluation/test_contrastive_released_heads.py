"""Evaluation of contrastive encoders against the released scripts: features and linear heads."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from recorded import Recorded
from released_contrast import batch, case_of, clip_spec, close, graph, gru, our_graph_name, our_gru_name

from sslskel.api.encoder import PooledEncoder
from sslskel.api.noise import Noise
from sslskel.config.groups import Stream
from sslskel.contrastive.tower import stream_input
from sslskel.evaluation.linear_head import LinearHead, fit_epoch

SEEDS = (0, pytest.param(1, marks=pytest.mark.long))
ENDINGS = {"": Stream.joint, "_motion": Stream.motion, "_bone": Stream.bone}


def judged(case: Recorded, recurrent: bool, norm: bool) -> dict[str, tuple[PooledEncoder, LinearHead]]:
    """The recorded encoder and classifier of every stream."""
    spec, encoders = clip_spec(case.config["T"]), {}
    for ending, stream in ENDINGS.items():
        state = case.group(f"state/encoder_q{ending}.") or (case.group("state/") if stream is Stream.joint else {})
        if "fc.weight" not in state:
            continue
        backbone = (gru(case, norm) if recurrent else graph(case))(spec)
        names = {name: our_graph_name(our_gru_name(name)) for name in state if name != "A" and name[:3] != "fc."}
        backbone.load_state_dict({mine: state[name] for name, mine in names.items()})
        head = LinearHead(backbone.dim, case.config["num_classes"], Noise(0), norm=False)
        head.fc.load_state_dict({name[3:]: state[name] for name in state if name[:3] == "fc."})
        encoders[ending] = (PooledEncoder(backbone, spec, prepare=stream_input(stream, spec)).eval(), head)
    return encoders


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["aimclr", "crossclr3v", "cmd", "isc", "pcm3"])
def test_features_and_linear_heads(shared: Path, kind: str, seed: int) -> None:
    case = case_of(shared, f"down_linear_{kind}_seed{seed}")
    recurrent = kind in ("cmd", "isc", "pcm3")
    streams = judged(case, recurrent, norm=kind != "isc")
    assert len(streams) == (3 if kind in ("crossclr3v", "cmd") else 1)
    x, labels = batch(case, "in/x5d" if recurrent else "in/x"), case.tensor("in/labels")
    with torch.no_grad():
        features = {ending: encoder.clip(x) for ending, (encoder, _) in streams.items()}
        logits = {ending: head(features[ending]) for ending, (_, head) in streams.items()}
    for ending, stream in ENDINGS.items():
        for what, outputs in (("out/feature" + ending, features), ("out/logits_" + stream.value, logits)):
            if what in case:
                close(outputs[ending], case.tensor(what), 1e-5)
    mean = torch.stack(list(logits.values())).mean(0)
    close(mean, case.tensor("out/logits_all" if kind == "cmd" else "out/logits"), 1e-5)
    if kind == "crossclr3v":
        return  # the released script trains three classifiers through their mean, ours one by one
    head, rate = streams[""][1], case.config["lr"]
    optimiser = torch.optim.SGD(head.parameters(), lr=rate, momentum=0.9)
    for wanted in case["train/losses"]:
        whole = [torch.arange(len(labels))]
        loss = fit_epoch(head, optimiser, features[""], labels, whole, [rate])
        assert float(loss) == pytest.approx(float(wanted), rel=1e-5)
    after = "_encoder_q" if kind == "aimclr" else ""
    close(head.fc.weight.detach(), case.tensor(f"train/weight_after{after}"), 1e-5)
    close(head.fc.bias.detach(), case.tensor(f"train/bias_after{after}"), 1e-5)
