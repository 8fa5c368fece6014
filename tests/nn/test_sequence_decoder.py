"""Decoders of sequences: what each kind is shown, and which frames it gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sslskel.nn.sequence_decoder import DecoderKind, SequenceDecoder


class Sum(nn.Module):
    """A cell that counts: the next state is the state and the first number of the frame."""

    def forward(self, frame: Tensor, state: Tensor) -> Tensor:
        return state + frame[:, :1]


def decoder(kind: DecoderKind, *, predicts: bool = False) -> SequenceDecoder:
    made = SequenceDecoder(Sum(), 1, 1, kind, predicts=predicts)
    nn.init.ones_(made.read_out.weight)
    nn.init.zeros_(made.read_out.bias)
    return made


@pytest.mark.parametrize(
    ("kind", "predicts", "wanted"),
    [
        (DecoderKind.fixed_weights, False, [10, 10, 10]),
        (DecoderKind.teacher_forced, False, [10, 12, 15]),
        # Each frame x becomes x + (x + feature).
        (DecoderKind.fixed_state, False, [12, 34, 78]),
        (DecoderKind.fixed_state, True, [12, 34]),
    ],
)
def test_frames_of_a_decoder_that_counts(kind: DecoderKind, predicts: bool, wanted: list[float]) -> None:
    feature, frames = torch.tensor([[10.0]]), torch.tensor([[[1.0], [2.0], [3.0]]])
    made = decoder(kind, predicts=predicts)(feature, frames)
    assert made[0, :, 0].tolist() == wanted
