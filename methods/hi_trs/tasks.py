"""What Hi-TRS hides and reorders: joints of a sequence, frames of a window, windows of a sequence."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from sslskel import Noise
from sslskel.api.devices import constant
from sslskel.nn.windows import Windows, padded, taken

HIDDEN, EXCHANGED = 0.8, 0.9
"""Below the first a chosen joint becomes (1, 1, 1), below the second another joint, else it stays."""


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


def make_tasks(tracks: Tensor, lengths: Tensor, cut: Windows, ratio: float, noise: Noise) -> Tasks:
    """Tasks of sequences (P, T, V, C) of (P,) frames.

    Noise sites: ``mask.chosen``, ``mask.kind`` (U[0, 1), (P, T, V)), ``mask.frame``, ``mask.joint`` (another one of the
    rest), ``window.begin`` (which of the windows that move), ``window.swap``, ``order.swap`` (which pair).
    """
    valid = torch.arange(tracks.shape[1], device=tracks.device) < lengths[:, None]
    masked, chosen = _masked(tracks, valid, lengths, ratio, noise)
    wanted = padded(tracks, valid, cut)
    begin, moves = _moving(wanted, lengths, cut, noise)
    straight = cut.inside(begin[:, None], lengths)
    rows = torch.arange(len(tracks), device=tracks.device)
    swapped = _swapped(torch.full_like(lengths, cut.frames), cut.frames, noise, "window.swap")
    count = cut.count(lengths)
    most = max(int(cut.count(torch.tensor(tracks.shape[1]))) - 1, 1)
    order = _swapped(count - 1, most, noise, "order.swap")
    last = cut.inside(((count - 1) * cut.stride)[:, None], lengths)[:, 0]
    window = torch.cat([straight, straight[rows[:, None], 0, swapped][:, None]], 1)
    shown = padded(masked, valid, cut)
    asked = functional.pad(chosen, (0, 0, cut.padding, cut.padding))
    return Tasks(shown, wanted, asked, window, moves, order, last, count - 1)


def _masked(tracks: Tensor, valid: Tensor, lengths: Tensor, ratio: float, noise: Noise) -> tuple[Tensor, Tensor]:
    """Tracks with chosen joints hidden, exchanged or left, and which were chosen (P, T, V)."""
    _, frames, joints, _ = tracks.shape
    shape = (frames, joints)
    chosen = (noise.uniform("mask.chosen", shape) < ratio) & valid[..., None]
    kind = noise.uniform("mask.kind", shape)
    other = noise.integers("mask.frame", (lengths - 1).clamp(min=1)[:, None, None], shape)
    other = other + (other >= torch.arange(frames, device=other.device)[:, None])
    other = torch.minimum(other, (lengths - 1).clamp(min=0)[:, None, None])
    joint = noise.integers("mask.joint", max(joints - 1, 1), shape)
    joint = (joint + (joint >= torch.arange(joints, device=joint.device))).clamp(max=joints - 1)
    rows = torch.arange(len(tracks), device=tracks.device)[:, None, None]
    changed = torch.where((kind < HIDDEN)[..., None], torch.ones_like(tracks), tracks[rows, other, joint])
    return torch.where((chosen & (kind < EXCHANGED))[..., None], changed, tracks), chosen


def _moving(wanted: Tensor, lengths: Tensor, cut: Windows, noise: Noise) -> tuple[Tensor, Tensor]:
    """(P,) beginning of a window in which something moves, and (P,) whether there is one."""
    begins = torch.arange(wanted.shape[1] - 2 * cut.padding, device=wanted.device)
    steps = [
        (wanted[:, begins + (at + 1) * cut.dilation] - wanted[:, begins + at * cut.dilation]).abs().flatten(2).amax(2)
        for at in range(cut.frames - 1)
    ]
    moving = (torch.stack(steps).amax(0) > 0) & (begins < lengths[:, None])
    count = moving.sum(1)
    number = noise.integers("window.begin", count.clamp(min=1))
    begin = (moving & (moving.cumsum(1) == number[:, None] + 1)).int().argmax(1)
    return begin, count > 0


def _swapped(count: Tensor, most: int, noise: Noise, site: str) -> Tensor:
    """(P, most): 0, 1, 2 ..., of which two of the first (P,) ``count`` changed places, at least two apart.

    Of two both do, of one none.
    """
    pairs = [(first, second) for second in range(2, most) for first in range(second - 1)] or [(0, min(most - 1, 1))]
    table = constant(tuple(place for pair in pairs for place in pair), count.device).reshape(-1, 2)
    # Pairs are in the order of their second place: those of a shorter row come first.
    number = noise.integers(site, ((count - 1) * (count - 2) // 2).clamp(min=1))
    pair = table[number.clamp(max=len(pairs) - 1)]
    near = torch.stack([torch.zeros_like(count), (count - 1).clamp(min=0)], 1)
    first, second = torch.where((count <= 2)[:, None], near, pair).unbind(1)
    order = torch.arange(most, device=count.device).expand(len(count), -1)
    moved = torch.where(order == first[:, None], second[:, None], order)
    return torch.where(order == second[:, None], first[:, None], moved)


def windows_of(frames: Tensor, tasks: Tasks, cut: Windows) -> Tensor:
    """(P, F, V, D) -> (P, W + 3, w, V, D): all windows in order, the pair, the last one."""
    begins = torch.arange(tasks.order.shape[1], device=frames.device) * cut.stride
    reach = torch.arange(cut.frames, device=frames.device) * cut.dilation
    every = (begins[:, None] + reach).clamp(max=frames.shape[1] - 1).expand(len(frames), -1, -1)
    return taken(frames, torch.cat([every, tasks.window, tasks.last[:, None]], 1))
