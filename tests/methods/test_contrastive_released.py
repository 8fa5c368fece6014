"""Whole contrastive trainings against recorded ones of the released codes: losses, gradients, keys, queues, weights."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from released_contrast import (
    batch,
    case_of,
    check_gradients,
    check_state,
    clip_spec,
    close,
    common,
    graph,
    gru,
    load,
    ours,
    steps,
    value,
)
from released_pcm3 import check_pcm3_step, in_pcm3, pcm3, pcm3_draws

from sslskel.api.batch import Batch
from sslskel.config.groups import Stream
from sslskel.methods.aimclr import AimCLR, AimCLRConfig
from sslskel.methods.cmd import CMD, CMDConfig
from sslskel.methods.crossclr import CrosSCLR, CrosSCLRConfig
from sslskel.methods.isc import ISC, Contrast, ISCConfig
from sslskel.methods.skeletonclr import SkeletonCLR, SkeletonCLRConfig

SEEDS = (0, pytest.param(1, marks=pytest.mark.long))
STREAMS = {2: [Stream.joint, Stream.motion], 3: [Stream.joint, Stream.motion, Stream.bone]}


def in_stream(stream: str) -> str:
    return f"streams.{stream}."


@pytest.mark.parametrize("seed", SEEDS)
def test_skeletonclr(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_skeletonclr_seed{seed}")
    method = SkeletonCLR(SkeletonCLRConfig(**common(case)), graph(case), clip_spec(case.config["T"]))
    rename = partial(ours, place=lambda stream: "contrast.")
    load(method, case, rename)
    for step, output in steps(method, [batch(case, "in/query"), batch(case, "in/key")], case):
        assert value(output, "contrast") == pytest.approx(case.data["loss/total"][step], rel=1e-4, abs=1e-5)
        if step == 0:
            check_gradients(method, case, rename, 2e-4)
            check_state(method, case, "after_forward/encoder_k", lambda name: rename(f"encoder_k{name}"), 1e-5)
    check_state(method, case, "state_after/", rename, 2e-2)


@pytest.mark.parametrize("seed", SEEDS)
def test_isc_within_one_representation(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_infonce_isc_seed{seed}")
    config = ISCConfig(**common(case), contrast=Contrast.intra, graph_width=2)
    method = ISC(config, gru(case, norm=False), clip_spec(case.config["T"]))
    rename = partial(ours, place=lambda stream: "sequence.")
    load(method, case, rename, optional="graph.")
    views = [from_sequence(case.tensor(name)) for name in ("in/query", "in/key")]
    for step, output in steps(method, views, case):
        assert value(output, "sequence") == pytest.approx(case.data["loss/total"][step], rel=2e-5 if step else 1e-4)
        if step == 0:
            check_state(method, case, "after_forward/encoder_k", lambda name: rename(f"encoder_k{name}"), 1e-5)
    check_state(method, case, "state_after/", rename, 2e-5)


def from_sequence(frames: torch.Tensor) -> Batch:
    """(N, T, V*C*M) numbers in released order -> a batch."""
    return Batch.from_dense(frames.unflatten(2, (25, 3, 2)).permute(0, 3, 1, 2, 4))


@pytest.mark.parametrize("seed", SEEDS)
def test_cmd(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_cmd_seed{seed}")
    config = CMDConfig(**common(case), neighbours=case.config["topk"])
    method = CMD(config, gru(case), clip_spec(case.config["T"]))
    rename = partial(ours, place=in_stream)
    load(method, case, rename)
    for step, output in steps(method, [batch(case, "in/query"), batch(case, "in/key")], case):
        tolerance = 2e-5 if step else 1e-4
        for stream in ("joint", "motion", "bone"):
            wanted = case.data[f"loss/infonce_{stream}"][step]
            assert value(output, f"contrast_{stream}") == pytest.approx(wanted, rel=tolerance)
            for student in {"joint", "motion", "bone"} - {stream}:
                wanted = case.data[f"loss/distill_{stream}_to_{student}"][step]
                assert value(output, f"{stream}_to_{student}") == pytest.approx(wanted, rel=tolerance)
        assert float(output.loss().detach()) == pytest.approx(case.data["loss/total"][step], rel=tolerance)
        if step == 0:
            check_gradients(method, case, rename, 1e-6)
            check_state(method, case, "after_forward/encoder_k", lambda name: rename(f"encoder_k{name}"), 1e-5)
    check_state(method, case, "state_after/", rename, 2e-5)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["2v_plain", "2v_context", "3v_plain", "3v_context"])
def test_crossclr(shared: Path, kind: str, seed: int) -> None:
    case = case_of(shared, f"obj_crossclr{kind}_seed{seed}")
    streams = STREAMS[int(kind[0])]
    config = CrosSCLRConfig(
        **common(case),
        streams=streams,
        context=kind.endswith("context"),
        neighbours=case.config["topk"],
        cross_epoch=1.0,
    )
    method = CrosSCLR(config, graph(case), clip_spec(case.config["T"]))
    rename = partial(ours, place=in_stream)
    load(method, case, rename)
    views = [batch(case, "in/query"), batch(case, "in/key")]
    for step, output in steps(method, views, case, epoch=lambda step: step):
        for stream in streams:
            wanted = case.data[f"loss/{stream.value}"][step]
            assert value(output, stream.value) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        if step < 2:
            check_gradients(method, case, rename, 2e-3 if step else 2e-4, prefix=f"step{step}/")
        if step == 1:
            check_state(method, case, "step1/after_forward/encoder_k", lambda name: rename(f"encoder_k{name}"), 1e-3)
    check_state(method, case, "state_after/", rename, 2e-2)


@pytest.mark.parametrize("seed", SEEDS)
def test_aimclr(shared: Path, seed: int) -> None:
    case = case_of(shared, f"obj_aimclr_seed{seed}")
    config = AimCLRConfig(**common(case), neighbours=case.config["topk"], mining_epoch=2.0)
    method = AimCLR(config, graph(case), clip_spec(case.config["T"]))
    rename = partial(ours, place=lambda stream: "contrast.")
    load(method, case, rename)
    views = [batch(case, f"in/{name}") for name in ("query", "key", "extreme")]
    names = {"contrast": "contrast", "extreme": "ddm_extreme", "dropped": "ddm_extreme_drop"}
    for step, output in steps(method, views, case, epoch=lambda step: step):
        tolerance = {0: 1e-4, 1: 1e-4, 2: 1e-4, 3: 2e-3}[step]
        for term, recorded in names.items():
            wanted = case.data[f"loss/{recorded}"][step]
            assert value(output, term) == pytest.approx(wanted, rel=tolerance, abs=1e-5)
        if step == 0:
            check_gradients(method, case, rename, 2e-4)
            check_state(method, case, "after_forward/encoder_k", lambda name: rename(f"encoder_k{name}"), 1e-5)
    check_state(method, case, "state_after/", rename, 2e-2)
    close(method.contrast.queue.entries, case.tensor("step3/queue_after").T, 2e-3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["prompt", "noprompt"])
def test_pcm3(shared: Path, kind: str, seed: int) -> None:
    case = case_of(shared, f"obj_pcm3_{kind}_seed{seed}")
    method = pcm3(case)
    rename = partial(in_pcm3, prompts=case.config["prompts"])
    load(method, case, rename)
    views = [batch(case, f"in/{name}") for name in ("v1", "v2", "v3")]
    for step, output in steps(method, views, case, noise=lambda step: pcm3_draws(case, step)):
        check_pcm3_step(case, output, step)
        if step == 0:
            check_gradients(method, case, rename, 1e-6)
            names = lambda name: None if name.startswith("queue") else rename(name)  # noqa: E731
            check_state(method, case, "after_forward/", names, 1e-5)
    check_state(method, case, "state_after/", rename, 2e-5)
