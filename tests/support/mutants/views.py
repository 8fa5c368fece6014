"""Faults of views: which frames are read, and how they are changed."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

METHOD_VIEWS = "tests/methods/test_released_views.py"
AUGMENTS = "tests/transforms/test_augment_released.py"
CLIP = "tests/transforms/test_clip.py"

VIEWS: tuple[Mutant, ...] = (
    *planted_in(
        "views",
        "methods/aimclr.py",
        f"{METHOD_VIEWS} -k 'aimclr or extreme'",
        ("has an extreme view without a shear", "        Shear(shear),\n", ""),
        ("has an extreme view with its own shear", "Shear(shear)", "Shear(1.0)"),
        ("has an extreme view without exchanged sides", "        Flip(),\n", ""),
        ("has an extreme view without a tilt", "        TiltRotation(),\n", ""),
        ("has an extreme view without noise", "        GaussianNoise(),\n", ""),
        ("has an extreme view without a blur", "        GaussianBlur(fidelity),\n", ""),
        ("has an extreme view with the paper's blur", "GaussianBlur(fidelity)", "GaussianBlur(Fidelity.paper)"),
        ("has an extreme view without a masked axis", "        AxisMask(),\n", ""),
        ("has an extreme view that keeps time", "        TimeFlip(),\n", ""),
        (
            "leaves missing persons out of the extreme view",
            "if fidelity is Fidelity.released else ()",
            "if fidelity is Fidelity.paper else ()",
        ),
        (
            "has an extreme view that is not shifted",
            "ViewSpec(PadCrop(), (*clip.train_view",
            "ViewSpec(PadCrop(0), (*clip.train_view",
        ),
        (
            "has the normal view for the extreme one",
            "return normal, normal, extreme_view(",
            "return normal, normal, normal or extreme_view(",
        ),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/views.py",
        METHOD_VIEWS,
        ("never corrupts", "Either(JointCorruption(), Shear()) if corrupted else Shear()", "Shear()"),
        (
            "corrupts what is to be masked",
            "Either(JointCorruption(), Shear()) if corrupted else Shear()",
            "Either(JointCorruption(), Shear())",
        ),
        ("exchanges corruption and shear", "Either(JointCorruption(), Shear())", "Either(Shear(), JointCorruption())"),
        ("crops by its own rule", "ViewSpec(clip.train_view.sample,", "ViewSpec(clip.test_view.sample,"),
        ("shifts nothing", "ViewSpec(PadCrop(per=per),", "ViewSpec(PadCrop(0, per=per),"),
        ("draws per clip what the batch shares", "(Shear(shear, per),)", "(Shear(shear),)"),
        (
            "forgets what the run does to every view",
            "return (*clip.train_view.augment, *augment)",
            "return (*augment,)",
        ),
    ),
    *planted_in(
        "views",
        "methods/cmd.py",
        f"{METHOD_VIEWS} -k cmd",
        (
            "has a query that is never corrupted",
            "(crop_view(self.clip),) * 2",
            "(crop_view(self.clip, corrupted=False),) * 2",
        ),
    ),
    *planted_in(
        "views",
        "methods/isc.py",
        f"{METHOD_VIEWS} -k isc",
        (
            "has a query that is never corrupted",
            "(crop_view(self.clip),) * 2",
            "(crop_view(self.clip, corrupted=False),) * 2",
        ),
    ),
    *planted_in(
        "views",
        "methods/pcm3.py",
        f"{METHOD_VIEWS} -k pcm3",
        ("masks a corrupted view", "crop_view(self.clip, corrupted=False)", "crop_view(self.clip)"),
    ),
    *planted_in(
        "views",
        "methods/crossclr.py",
        f"{METHOD_VIEWS} -k crossclr",
        ("has views with its own shear", "shifted_view(self.clip, self.config.shear)", "shifted_view(self.clip, 1.0)"),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/augment.py",
        AUGMENTS,
        ("shears by half", "(2 * draw - 1) * self.amplitude", "(draw - 0.5) * self.amplitude"),
        (
            "corrupts the other joints",
            "hit.scatter(1, order.expand(batch.num_clips, -1), True)",
            "~hit.scatter(1, order.expand(batch.num_clips, -1), True)",
        ),
        (
            "multiplies corrupted joints from the left",
            "matrices.transpose(1, 2).to(batch.tracks)",
            "matrices.to(batch.tracks)",
        ),
        (
            "mirrors instead of exchanging sides",
            "batch.tracks.index_select(2, order)",
            "batch.tracks.index_select(2, order).neg()",
        ),
        (
            "tilts about all axes alike",
            "torch.where(about, self.main, self.other)",
            "torch.where(about, self.main, self.main)",
        ),
        ("adds ten times the noise", "sd: float = 0.01", "sd: float = 0.1"),
        (
            "masks two axes",
            "torch.arange(tracks.shape[-1], device=tracks.device) != axis[:, None]",
            "torch.arange(tracks.shape[-1], device=tracks.device) == axis[:, None]",
        ),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/augment_time.py",
        AUGMENTS,
        ("shifts half as far", "2 * pad + 1, per=self.per", "pad + 1, per=self.per"),
        ("repeats edge frames no more", "torch.where(at < 0, -1 - at, at)", "torch.where(at < 0, -at, at)"),
        ("blurs over 13 frames", "TAPS = 15", "TAPS = 13"),
        (
            "normalises the released blur",
            "if self.fidelity is Fidelity.paper:\n            weights",
            "if True:\n            weights",
        ),
    ),
    *planted_in(
        "views",
        "sslskel/transforms/clip.py",
        CLIP,
        ("resizes by corners", "(step * ratio - 0.5).to", "(step * ratio).to"),
        ("crops no less than its own floor", ".clamp(min=self.min_frames)", ".clamp(min=1)"),
        ("starts a crop a frame early", "lengths - length + 1, per", "lengths - length, per"),
        (
            "has its own range of lengths",
            "draw * (self.share_max - self.share_min) + self.share_min",
            "draw * 0.5 + 0.25",
        ),
        (
            "leaves out more at the end",
            "resized(start, lengths - 2 * start, frames)",
            "resized(start, lengths - 3 * start, frames)",
        ),
        ("turns about z first", "about_z @ about_y @ about_x", "about_x @ about_y @ about_z"),
        ("turns half as far", "(2 * draw - 1) * self.angle", "(draw - 0.5) * self.angle"),
        (
            "takes the next joint for the parent",
            "joint if parent < 0 else parent for",
            "joint if parent < 0 else joint - 1 for",
        ),
        (
            "looks back for motion",
            "tracks[..., stride:, :, :] - tracks[..., :-stride, :, :]",
            "tracks[..., :-stride, :, :] - tracks[..., stride:, :, :]",
        ),
        (
            "has a test view with a random crop",
            "[CentreCrop(config.test_crop)]",
            "[RandomCrop(config.crop_min, config.crop_max, config.min_frames)]",
        ),
    ),
)
