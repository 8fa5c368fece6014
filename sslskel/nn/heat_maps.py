"""Poses as pictures: a map of each joint or limb, bright where it is, and the square of a clip that is looked at.

After PoseC3D (Duan et al., "Revisiting Skeleton-based Action Recognition", CVPR 2022). A coordinate that
is exactly 0 counts as missing, as in the released code. Letters: N clips, M person slots, T frames, V joints, L limbs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from sslskel.api.devices import constant
from sslskel.api.noise import Noise

SPREAD = 3
"""Standard deviations from a joint at which its map is cut off."""
LEAST = 1e-3
"""Scores below it draw nothing."""
ATTEMPTS = 10
"""Boxes that are drawn for a crop; where none fits, all is seen."""


def compact(points: Tensor, padding: float, whole: bool) -> tuple[Tensor, Tensor]:
    """Coordinates within the square around all joints of a clip, and its sides.

    (N, M, T, V, 2) x to the right and y down -> the same, and (N, 2) width and height. The box of all joints grows by
    ``padding`` of its size and becomes a square; ``whole`` cuts its borders down to whole pixels.
    """
    there = points != 0
    everyone = (1, 2, 3)
    low = points.masked_fill(~there, math.inf).amin(everyone)
    high = points.masked_fill(~there, -math.inf).amax(everyone)
    empty = ~there.any(3).any(2).any(1)
    low, high = low.masked_fill(empty, 0), high.masked_fill(empty, 1)
    half = ((high - low) / 2 * (1 + padding)).amax(1, keepdim=True)
    middle = (low + high) / 2
    first, last = middle - half, middle + half
    if whole:
        first, last = first.trunc(), last.trunc()
    moved = torch.where(there, points - first[:, None, None, None], points)
    return moved, (last - first).clamp(min=torch.finfo(points.dtype).tiny)


def stretched(points: Tensor, sides: Tensor, size: int) -> Tensor:
    """(N, M, T, V, 2) in pictures of (N, 2) width and height -> in squares of ``size`` pixels."""
    return points * (size / sides)[:, None, None, None]


def drawn_boxes(size: int, least_area: float, noise: Noise) -> Tensor:
    """Random crops of squares of ``size`` pixels: (N, 4) left, top, right, bottom.

    Areas are U[``least_area``, 1] of the square, widths 3/4 to 4/3 of heights. Noise sites, all per clip:
    ``picture.area``, ``picture.aspect``, ``picture.left``, ``picture.top``.
    """
    exact = torch.float64
    area = least_area + (1 - least_area) * noise.uniform("picture.area", (ATTEMPTS,), "clip", exact)
    aspect = ((2 * noise.uniform("picture.aspect", (ATTEMPTS,), "clip", exact) - 1) * math.log(4 / 3)).exp()
    sides = size * torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()])
    sides = sides.round().long()
    fits = (sides <= size).all(0)
    first = fits.to(torch.int8).argmax(1, keepdim=True)
    width, height = sides.gather(2, first.expand(2, -1, 1))[..., 0].where(fits.any(1), size)
    left = noise.integers("picture.left", size - width + 1, per="clip")
    top = noise.integers("picture.top", size - height + 1, per="clip")
    return torch.stack([left, top, left + width, top + height], 1)


def cropped(points: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """(N, M, T, V, 2) and boxes (N, 4) -> coordinates within them, and (N, 2) width and height."""
    corner, end = torch.split(boxes.to(points.dtype), 2, 1)
    return points - corner[:, None, None, None], end - corner


def flipped(points: Tensor, size: float, order: Sequence[int]) -> Tensor:
    """The mirror image: x becomes ``size - x``, and ``order`` (V,) exchanges left and right joints."""
    x, y = points.index_select(-2, constant(tuple(order), points.device)).unbind(-1)
    return torch.stack([torch.where(x != 0, size - x, x), y], -1)


def joint_maps(points: Tensor, scores: Tensor, size: int, sigma: float) -> Tensor:
    """(N, M, T, V, 2) in pixels, (N, M, T, V) -> (N, V, T, size, size), the brightest person in every pixel.

    A joint is ``score * exp(-d^2 / (2 sigma^2))`` at a distance of d pixels.
    """
    scores = scores.masked_fill(scores < LEAST, 0)
    out = points.new_zeros(len(points), points.shape[3], points.shape[2], size, size)
    for person, score in zip(points.unbind(1), scores.unbind(1), strict=True):
        out = torch.maximum(out, _spots(person, score, size, sigma).transpose(1, 2))
    return out


def limb_maps(points: Tensor, scores: Tensor, limbs: Sequence[tuple[int, int]], size: int, sigma: float) -> Tensor:
    """As :func:`joint_maps`, (N, L, T, size, size): d is the distance to the line from one joint to the other.

    The score is the smaller one; a limb shorter than a pixel is the map of its first joint.
    """
    starts, ends = (constant(joints, points.device) for joints in zip(*limbs, strict=True))
    out = points.new_zeros(len(points), len(limbs), points.shape[2], size, size)
    for person, score in zip(points.unbind(1), scores.unbind(1), strict=True):
        start, end = person.index_select(2, starts), person.index_select(2, ends)
        first = score.index_select(2, starts)
        both = torch.minimum(first, score.index_select(2, ends))
        drawn = (both >= LEAST).to(points.dtype)
        short = ((end - start).square().sum(-1) < 1).to(points.dtype)
        lines = _lines(start, end, size, sigma) * (both * drawn * (1 - short))[..., None, None]
        dots = _spots(start, first * drawn * short, size, sigma)
        out = torch.maximum(out, torch.maximum(lines, dots).transpose(1, 2))
    return out


def _pixels(like: Tensor, size: int) -> Tensor:
    return torch.arange(size, dtype=like.dtype, device=like.device)


def _reached(low: Tensor, high: Tensor, size: int, sigma: float) -> Tensor:
    """(...) each -> (..., size) bool: pixels from the lowest to the highest that a spread reaches, cut to integers."""
    at = _pixels(low, size)
    first, last = (low - SPREAD * sigma).trunc(), (high + SPREAD * sigma).trunc()
    return (at >= first[..., None]) & (at <= last[..., None])


def _spots(points: Tensor, scores: Tensor, size: int, sigma: float) -> Tensor:
    """(N, T, V, 2), (N, T, V) -> (N, T, V, size, size)."""
    away = _pixels(points, size) - points[..., None]
    near = (-away.square() / (2 * sigma**2)).exp() * _reached(points, points, size, sigma)
    x, y = near.unbind(-2)
    return (y * scores[..., None])[..., None] * x[..., None, :]


def _lines(start: Tensor, end: Tensor, size: int, sigma: float) -> Tensor:
    """(N, T, L, 2) each -> (N, T, L, size, size)."""
    along = end - start
    length = along.square().sum(-1).clamp(min=1)[..., None, None]
    at = _pixels(start, size)
    x, y = (at - one[..., None] for one in start.unbind(-1))
    x, y = x[..., None, :], y[..., None]
    dx, dy = (one[..., None, None] for one in along.unbind(-1))
    share = ((x * dx + y * dy) / length).clamp(0, 1)
    apart = (x - share * dx).square() + (y - share * dy).square()
    low, high = torch.minimum(start, end), torch.maximum(start, end)
    in_x, in_y = _reached(low, high, size, sigma).unbind(-2)
    return (-apart / (2 * sigma**2)).exp() * in_x[..., None, :] * in_y[..., None]
