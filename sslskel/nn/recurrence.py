"""GRUs that run side by side over the same frames, with a backward pass made for training on a CPU.

torch's own pass on a CPU adds a matrix to the gradient of the recurrent weights after every
frame. Here the gates of all frames are kept, and that gradient is one product behind the
loop, as is that of the input weights. Numbers are those of ``nn.GRU`` but for the last bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sslskel.nn.plain import is_explicit

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


def side_by_side(grus: Sequence[nn.GRU], x: Tensor) -> Tensor:
    """What GRUs of one layer and one size make of the same frames: (N, T, C) -> (N, T, k*H), the first one's first.

    Every GRU reads from the first frame to the last and starts at zero.
    """
    fused = x.device.type == "cpu" and torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    if not fused or is_explicit():
        return torch.cat([gru(x)[0] for gru in grus], -1)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    weights = [torch.stack([getattr(gru, name) for gru in grus]) for name in names]
    states: Tensor = _SideBySide.apply(x.transpose(0, 1), *weights)  # type: ignore[no-untyped-call]
    return states.transpose(0, 1)


class _SideBySide(torch.autograd.Function):
    """(T, N, C) and the weights of k GRUs, (k, 3H, C), (k, 3H, H), (k, 3H) twice -> (T, N, k*H).

    Gates stand in torch's order: r (reset), z (update), n (new). The new gate reads
    r * inner, where inner is the recurrent product of the third block and its bias.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, w_in: Tensor, w_state: Tensor, b_in: Tensor, b_state: Tensor) -> Tensor:
        (frames, clips, channels), (count, _, size) = x.shape, w_state.shape
        x = x.reshape(frames * clips, channels)
        # The biases of r and z are only ever added up, so both are added once, for all frames.
        bias = torch.cat([(b_in + b_state)[:, : 2 * size], b_in[:, 2 * size :]], 1)
        gates = torch.addmm(bias.flatten(), x, w_in.flatten(0, 1).T).reshape(frames, clips, count, 3 * size)
        states = x.new_zeros(frames + 1, clips, count, size)
        inner = x.new_empty(frames, clips, count, size)
        of_gates, of_inner = w_state[:, : 2 * size].transpose(1, 2), w_state[:, 2 * size :].transpose(1, 2)
        b_inner = b_state[:, 2 * size :]
        for gate, product, before, after in zip(gates, inner, states[:-1], states[1:], strict=True):
            for at in range(count):
                gate[:, at, : 2 * size].addmm_(before[:, at], of_gates[at])
                torch.addmm(b_inner[at], before[:, at], of_inner[at], out=product[:, at])
            r, z, n = gate.split(size, -1)
            gate[..., : 2 * size].sigmoid_()
            n.addcmul_(r, product).tanh_()
            torch.lerp(n, before, z, out=after)
        ctx.save_for_backward(x, w_in, w_state, gates, inner, states)
        return states[1:].flatten(2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, w_in, w_state, gates, inner, states = ctx.saved_tensors
        frames, clips, count, size = inner.shape
        later = grads[0].reshape(inner.shape)
        # Of every frame: inner, r, z, n. The first three met the state, the last three the input.
        grads_of_gates = gates.new_empty(frames, clips, count, 4 * size)
        weight = w_state.roll(size, 1)
        state, kept, room = (torch.zeros_like(states[0]) for _ in range(3))
        for at in range(frames - 1, -1, -1):
            (r, z, n), before = gates[at].split(size, -1), states[at]
            to_inner, to_r, to_z, to_n = grads_of_gates[at].split(size, -1)
            state.add_(later[at])
            torch.mul(state, z, out=kept)
            _tanh_backward(torch.sub(state, kept, out=room), n, grad_input=to_n)
            _sigmoid_backward(torch.sub(before, n, out=room).mul_(state), z, grad_input=to_z)
            _sigmoid_backward(torch.mul(to_n, inner[at], out=room), r, grad_input=to_r)
            torch.mul(to_n, r, out=to_inner)
            for gru in range(count):
                torch.addmm(kept[:, gru], grads_of_gates[at, :, gru, : 3 * size], weight[gru], out=state[:, gru])
        rows, past = grads_of_gates.flatten(0, 1), states[:-1].flatten(0, 1)
        of_state, of_input = rows[..., : 3 * size], rows[..., size:]
        to_w_state = torch.stack([of_state[:, gru].T @ past[:, gru] for gru in range(count)]).roll(-size, 1)
        to_w_in = torch.stack([of_input[:, gru].T @ x for gru in range(count)])
        to_x = None
        if ctx.needs_input_grad[0]:
            to_x = of_input[:, 0] @ w_in[0]
            for gru in range(1, count):
                to_x.addmm_(of_input[:, gru], w_in[gru])
            to_x = to_x.reshape(frames, clips, -1)
        sums = rows.sum(0)
        return to_x, to_w_in, to_w_state, sums[:, size:], sums[:, : 3 * size].roll(-size, 1)
