"""What Hi-TRS hides and reorders: joints of a sequence, frames of a window, windows of a sequence."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sslskel import Noise
from sslskel.nn.lengths import last_valid
from sslskel.nn.token_masks import masked_joints
from sslskel.nn.windows import Windows, exchanged, padded, taken


class Tasks(NamedTuple):
    """What is shown of P sequences, and what is asked. Frames are those of the padded sequences, F of them."""

    shown: Tensor
    """(P, F, V, C) with joints hidden."""
    wanted: Tensor
    """(P, F, V, C) without."""
    asked: Tensor
    """(P, F, V) bool: joints that are predicted."""
    window: Tensor
    """(P, 2, w): frames of a window, and of its copy of which two are exchanged."""
    moves: Tensor
    """(P,) bool: whether that window has any movement."""
    order: Tensor
    """(P, W): all windows but the last, two of them exchanged; those that a sequence lacks in place."""
    last: Tensor
    """(P, w): frames of a sequence's last window."""
    windows: Tensor
    """(P,) windows in order, the last left out."""


def make_tasks(tracks: Tensor, valid: Tensor, cut: Windows, ratio: float, noise: Noise) -> Tasks:
    """Tasks of sequences (P, T, V, C), whose first frames are the ``valid`` (P, T) ones.

    Noise sites: those of ``masked_joints``, ``window.begin`` (which of the windows that move), ``window.swap``,
    ``order.swap`` (which pair).
    """
    lengths = last_valid(valid)
    masked, chosen = masked_joints(tracks, valid, lengths, ratio, noise)
    wanted = padded(tracks, valid, cut)
    begin, moves = cut.moving(wanted, lengths, noise, "window.begin")
    straight = cut.inside(begin[:, None], lengths)
    rows = torch.arange(len(tracks), device=tracks.device)
    swapped = exchanged(torch.full_like(lengths, cut.frames), cut.frames, noise, "window.swap")
    count = cut.count(lengths)
    most = max(int(cut.count(torch.tensor(tracks.shape[1]))) - 1, 1)
    order = exchanged(count - 1, most, noise, "order.swap")
    last = cut.inside(((count - 1) * cut.stride)[:, None], lengths)[:, 0]
    window = torch.cat([straight, straight[rows[:, None], 0, swapped][:, None]], 1)
    shown = padded(masked, valid, cut)
    asked = functional.pad(chosen, (0, 0, cut.padding, cut.padding))
    return Tasks(shown, wanted, asked, window, moves, order, last, count - 1)


def windows_of(frames: Tensor, tasks: Tasks, cut: Windows) -> Tensor:
    """(P, F, V, D) -> (P, W + 3, w, V, D): all windows in order, the pair, the last one."""
    every = cut.every(tasks.order.shape[1], frames.shape[1], frames.device).expand(len(frames), -1, -1)
    return taken(frames, torch.cat([every, tasks.window, tasks.last[:, None]], 1))
