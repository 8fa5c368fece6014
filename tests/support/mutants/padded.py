"""Faults of methods that read clips frame by frame and padded, and of what they share."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

GL = "tests/methods/test_gl_transformer_released.py"
BODY = "tests/transforms/test_body_frame.py"
ATTENTION = "tests/nn/test_masked_attention.py"
HI_TRS = "tests/methods/test_hi_trs_released.py tests/methods/test_hi_trs_tasks.py"

PADDED: tuple[Mutant, ...] = (
    *planted_in(
        "methods",
        "methods/gl_transformer.py",
        GL,
        (
            "predicts where joints go instead of where they were",
            "clamp(min=0)] - tracks",
            "clamp(min=0)] * -1 + tracks",
        ),
        ("shears the way of the chest too", "torch.where(way, stretched.tracks, sheared)", "sheared"),
        ("weighs the way of every interval as released", "way & first if self.released", "way & first if True"),
        (
            "gives absent persons no class of their own",
            "self.config.distances + 1)\n        per_clip",
            "0)\n        per_clip",
        ),
        ("counts padding in its loss", "* valid[:, :, None, None, None]", ""),
        ("trains heads on clips of one length", "Stretch(config.stretch))", "Stretch(0.0))"),
    ),
    *planted_in(
        "methods",
        "sslskel/backbones/global_local.py",
        GL,
        ("adds positions once", "flat = (x + self.table).flatten(2)", "flat = x.flatten(2)"),
        (
            "embeds the way of the chest as a joint",
            "self.embed_way(joints), self.embed(joints)",
            "*[self.embed(joints)] * 2",
        ),
        ("attends to padding", "padding[:, None, None], drop", "None, drop"),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/body_frame.py",
        f"{BODY} {GL} -k 'TestClips or body_frame'",
        ("turns everybody the same way", "across.sum(1, keepdim=True) >= 0", "across.sum(1, keepdim=True) > 1e9"),
        ("keeps gaps always", "if self.keeps_gaps else seen.sum(1)", "if True else seen.sum(1)"),
        ("stretches from the corners of frames", "(frames.to(exact) + 0.5)", "(frames.to(exact) + 1.0)"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/masked_attention.py",
        ATTENTION,
        ("does not hide in written-out attention", "products.masked_fill(hidden, least)", "products"),
        ("drops paths by number and not by row", "branch.new_ones(self.rows)", "branch.new_ones(self.rows) * 0.5"),
    ),
    *planted_in(
        "methods",
        "methods/hi_trs/__init__.py",
        HI_TRS,
        ("lets the next window's target learn", "normalize(last.detach()", "normalize(last"),
        ("lets positions decay", '("_table", "_token")', '("_token",)'),
        (
            "counts windows of which nothing moves",
            "self.frame_order(pair), tasks.moves",
            "self.frame_order(pair), tasks.moves | True",
        ),
        ("leaves missing persons out", "if fill else view", "if not fill else view"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/token_masks.py",
        HI_TRS,
        ("masks padding too", " < ratio) & valid[..., None]", " < ratio)"),
        ("takes a joint of the same frame", "(other >= torch.arange", "(other > 1 + torch.arange"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/windows.py",
        HI_TRS,
        ("exchanges neighbours", "for first in range(second - 1)", "for first in range(second)"),
    ),
    *planted_in(
        "methods",
        "sslskel/backbones/hierarchical.py",
        f"tests/nn/test_windows.py {HI_TRS} -k 'not data'",
        (
            "lets joints of a frame see each other",
            "self._through(self.over_frames, x, self.crowd",
            "self._through(self.over_frames, x, None",
        ),
        (
            "reads windows that are not there",
            "self._through(self.over_windows, x, unseen",
            "self._through(self.over_windows, x, None",
        ),
    ),
    *planted_in(
        "views",
        "sslskel/nn/windows.py",
        "tests/nn/test_windows.py",
        (
            "lets a short window run over the end",
            "- 1).clamp(min=0) + 2 * self.padding",
            "- 1).clamp(min=0) + 9 * self.padding",
        ),
    ),
)
