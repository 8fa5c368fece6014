"""Faults of contrastive methods, their losses, queues and key encoders."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

RELEASED = "tests/methods/test_contrastive_released.py"
PARTS = "tests/methods/test_contrastive_released_parts.py"
PSTL = "tests/methods/test_pstl_released.py"
STARS = "tests/methods/test_stars_released.py"
SLIM = "tests/methods/test_slim_released.py"
PCM3 = "tests/methods/test_pcm3_released.py"
ACTCLR = "tests/methods/test_actclr_released.py tests/methods/test_actclr.py"
HICLR = "tests/methods/test_hiclr_released.py"
LOSSES = "tests/contrastive/test_losses.py"
QUEUE = "tests/contrastive/test_queue.py"
VIEWS = "tests/methods/test_released_views.py"
JUDGED = "tests/evaluation/test_contrastive_released_heads.py"

SAME_KEY = ("judges its key encoder", "contrast.query.encoder()", "contrast.key.encoder()")
FIXED_TEMPERATURE = "has its own temperature"

CONTRASTIVE: tuple[Mutant, ...] = (
    *planted_in("methods", "methods/skeletonclr.py", f"{JUDGED} -k skeletonclr", SAME_KEY),
    *planted_in("methods", "methods/aimclr.py", f"{JUDGED} -k aimclr", SAME_KEY),
    *planted_in("methods", "methods/crossclr.py", f"{JUDGED} -k crossclr", SAME_KEY),
    *planted_in("methods", "methods/cmd.py", f"{JUDGED} -k cmd", SAME_KEY),
    *planted_in(
        "methods",
        "methods/isc.py",
        f"{JUDGED} -k isc",
        ("judges its key encoder", "self.sequence.query.encoder()", "self.sequence.key.encoder()"),
        ("judges the graph encoder", "self.sequence.query.encoder()", "self.graph.query.encoder()"),
    ),
    *planted_in("methods", "methods/pcm3.py", f"{JUDGED} -k pcm3", SAME_KEY),
    *planted_in(
        "methods",
        "methods/slim/__init__.py",
        SLIM,
        ("compares a view with its own teacher", "torch.cat(tokens.chunk(WHOLES)[::-1])", "tokens"),
        ("moves its prototypes at once", "progress.epoch < self.config.frozen_epochs", "False"),
        ("shows the student all tokens", "student.read(wholes, hides=True)", "student.read(wholes, hides=False)"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/self_distillation.py",
        SLIM,
        ("embeds at the whole rate", "embed_rate if slow else 1.0", "1.0"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/tube_masks.py",
        SLIM,
        ("never gives up", "(count < wanted) & (failed < TRIES)", "count < wanted"),
        ("hides more than is wanted", "(new > 0) & (new <= rest)", "(new > 0)"),
    ),
    *planted_in(
        "methods",
        "methods/stars_tuning.py",
        STARS,
        ("finds a clip's own entry", "similar.masked_fill(self.owners == owners[:, None], -1.0)", "similar"),
        ("gives the released second half a gradient", "self.config.fidelity is Fidelity.paper", "True"),
        ("decays from the last block on", "(len(layers) - 1 - at)", "(len(layers) - at)"),
        (
            "takes a view's own neighbour",
            '"second": self.loss(first_near, second)',
            '"second": self.loss(second_near, second)',
        ),
        ("clips all tensors together", '"clip_norm": self.config.tensor_norm}', '"weight_decay": 0.01}'),
    ),
    *planted_in(
        "methods",
        "methods/skeletonclr.py",
        f"{RELEASED} {VIEWS} -k skeletonclr",
        (FIXED_TEMPERATURE, "/ self.config.temperature", "/ 0.07"),
        ("compares the key view with itself", "self.contrast.query(views[0]", "self.contrast.query(views[1]"),
        ("has views with its own shear", "shifted_view(self.clip, self.config.shear)", "shifted_view(self.clip, 1.0)"),
    ),
    *planted_in(
        "methods",
        "methods/aimclr.py",
        f"{RELEASED} {PARTS} -k 'aimclr or attention'",
        (FIXED_TEMPERATURE, "/ self.config.temperature", "/ 0.07"),
        ("never mines", "progress.epoch >= self.config.mining_epoch", "progress.epoch > 1e9"),
        (
            "mines an epoch late",
            "progress.epoch >= self.config.mining_epoch",
            "progress.epoch > self.config.mining_epoch",
        ),
        ("mines one neighbour", "similarity[:, 1:], self.config.neighbours", "similarity[:, 1:], 1"),
        ("leaves out the neighbours of the drop", "marked[0] | marked[1] | marked[2]", "marked[0] | marked[1]"),
        ("weighs its distribution terms 1", "logits[0]), 0.5)", "logits[0]), 1.0)"),
        ("drops by its own threshold", "self.config.drop_above, frames", "0.75, frames"),
        ("drops whole frames as released", "frames=not self.released", "frames=self.released"),
        ("does not scale what stays", "maps * stays * (sums[0] / sums[1].clamp(min=1))", "maps * stays"),
        ("lets gradients pass to the target", "cross_entropy(branch, logits[0])", "cross_entropy(logits[0], branch)"),
    ),
    *planted_in(
        "methods",
        "methods/actclr/__init__.py",
        ACTCLR,
        ("compares cosines as they are", "neighbourhood(query).square()", "neighbourhood(query)"),
        ("learns from its own key too", "teacher > 0.95, -1", "teacher > 2, -1"),
        ("keeps the augmentations of its first epoch", "progress.epoch >= epoch for", "progress.epoch < 0 for"),
        ("has actionlets in the later release", "is Release.head", "is None"),
        ("takes keys of whole clips", "0.5 * whole + 0.5 * parts", "whole"),
    ),
    *planted_in(
        "methods",
        "methods/actclr/actionlets.py",
        ACTCLR,
        ("takes joints one by one", "whole[:, :, part] = seen[:, :, part].mean(2, keepdim=True)", "pass"),
        ("looks for what is like the mean clip", "apart = (1 - (", "apart = (1 + ("),
    ),
    *planted_in(
        "methods",
        "methods/actclr/mixing.py",
        ACTCLR,
        ("mixes joints as they were", "swapped if stream is Stream.joint else own", "own"),
        ("swaps no bone lengths", "length(others) / length(bones)", "length(bones) / length(bones)"),
        (
            "lends a resized segment alone",
            "torch.where(plan.resizes, plan.joints.to(torch.float32).expand(len(plan.frame), -1), plan.weight)",
            "plan.weight",
        ),
    ),
    *planted_in(
        "methods",
        "methods/hiclr.py",
        HICLR,
        ("lets the strong view imitate the basic one", "cross_entropy(strong, normal)", "cross_entropy(strong, basic)"),
        ("hides the same joints in all frames", "joints, (frames,), per", "joints, (1,), per"),
        ("puts zeros where joints are hidden", "self.hidden_value.to(tracks)", "0 * self.hidden_value.to(tracks)"),
        ("mines in the basic view alone", "marked[0] | marked[1] | marked[2]", "marked[0]"),
        (FIXED_TEMPERATURE, "similarity / self.config.temperature for", "similarity / 0.07 for"),
        ("weighs its strong term 1", "cross_entropy(strong, normal), 0.5", "cross_entropy(strong, normal), 1.0"),
    ),
    *planted_in(
        "methods",
        "methods/crossclr.py",
        f"{RELEASED} -k crossclr",
        (
            "has its own temperature in phase one",
            "info_nce(similarity / self.config.temperature)",
            "info_nce(similarity / 0.07)",
        ),
        (
            "has its own temperature in phase two",
            "torch.cat(logits, 1) / self.config.temperature",
            "torch.cat(logits, 1) / 0.07",
        ),
        ("moves every key in phase two", "not (self.released and self.crosses(progress)) or", "True or"),
        ("never shares a head", "if self.released and first is not None:", "if False:"),
        ("learns from its own neighbours", "self._cross(own, other)", "self._cross(own, own)"),
        ("adds the others up", "if o != name]).mean(0)", "if o != name]).sum(0)"),
        ("leaves out the products", "if self.config.context:", "if False:"),
        ("marks one neighbour", "other[:, 1:], self.config.neighbours", "other[:, 1:], 1"),
    ),
    *planted_in(
        "methods",
        "methods/cmd.py",
        f"{RELEASED} -k cmd",
        (FIXED_TEMPERATURE, "similar[name] / config.temperature", "similar[name] / 0.07"),
        ("has its own student temperature", "asked / config.student_temperature", "asked / 0.1"),
        ("has its own teacher temperature", "nearest.values / config.teacher_temperature", "nearest.values / 0.05"),
        ("does not weigh distillation", "mean_term(rows, config.distil_weight)", "mean_term(rows)"),
        ("compares the whole queue", "min(config.neighbours, wanted.shape[1])", "wanted.shape[1]"),
        (
            "teaches by the query",
            "taught[name] = contrast.neighbourhood(key)",
            "taught[name] = contrast.neighbourhood(query)",
        ),
    ),
    *planted_in(
        "methods",
        "methods/isc.py",
        f"{RELEASED} {PARTS} -k isc",
        (FIXED_TEMPERATURE, "similar / self.config.temperature", "similar / 0.07"),
        ("exchanges its two contrasts", "is Contrast.inter else {}", "is Contrast.intra else {}"),
        ("meets the other's key in its own queue", "contrasts[partner].similarities(", "contrasts[name].similarities("),
    ),
    *planted_in(
        "methods",
        "methods/pcm3.py",
        PCM3,
        (FIXED_TEMPERATURE, "similar / config.temperature", "similar / 0.07"),
        ("has its own student temperature", "/ config.student_temperature", "/ 0.1"),
        ("has its own teacher temperature", "/ config.teacher_temperature", "/ 0.05"),
        ("has its own weight of prediction", "hidden, self.config.prediction_weight", "hidden, 40.0"),
        (
            "has another default weight of prediction",
            "prediction_weight: float = 40.0",
            "prediction_weight: float = 1.0",
        ),
        ("has its own weight of distillation", "rows, config.distil_weight", "rows, 1.0"),
        ("hides its own share", "self.config.mask_ratio, noise", "0.6, noise"),
        ("blends no key of a mix", 'blended if name == "mix" else keys', "keys"),
        ("learns from the guess by the encoder too", "features, features.detach()", "features, features"),
        ("predicts what is seen", "torch.where(hidden, guess, sequence)", "torch.where(hidden, sequence, guess)"),
        ("distils without prompts", "if config.prompts or not self.released:", "if True:"),
        ("hides the second person too", "hidden[..., 0] = joints[..., None]", "hidden[...] = joints[..., None, None]"),
    ),
    *planted_in(
        "methods",
        "sslskel/transforms/body_parts.py",
        f"{PCM3} {ACTCLR} tests/transforms/test_body_parts.py",
        ("mixes with another clip", "+ shift) % clips", "- shift) % clips"),
        (
            "blends keys the wrong way round",
            "(1 - share) * own + share * partner",
            "share * own + (1 - share) * partner",
        ),
        (
            "cuts where it should speed up",
            "cut, resize = kind > 0.5, (kind > 0.25) & (kind <= 0.5)",
            "cut, resize = kind > 0.25, kind < 0",
        ),
        ("resizes from the same segment", "torch.where(resize & inside, faster, time)", "time"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/prompts.py",
        PCM3,
        (
            "puts both halves of a prompt side by side",
            "torch.cat([at, self.side + at])",
            "torch.cat([at, self.length + at])",
        ),
        ("gives features no prompt", "features if prompt is None else features + prompt", "features"),
    ),
    *planted_in(
        "methods",
        "methods/pstl.py",
        f"{PSTL} {VIEWS} -k 'not head'",
        (
            "has its own weight off the diagonal",
            "tower.head(feature), config.off_diagonal)",
            "tower.head(feature), 2e-4)",
        ),
        ("removes its own number of joints", "self.clip.layout, config.mask_joints,", "self.clip.layout, 8,"),
        ("removes its own number of frames", "calm, config.mask_frames, noise", "calm, 10, noise"),
        (
            "keeps the liveliest frames",
            "clips.flip(1).argsort(dim=1, stable=True)",
            "clips.neg().flip(1).argsort(dim=1, stable=True)",
        ),
        ("does not shear", "shifted_view(clip, shear, per)", "shifted_view(clip, 0.0, per)"),
        ("does not exchange sides", "TiltRotation(per=per), Flip(per=per)", "TiltRotation(per=per)"),
        ("does not tilt", "TiltRotation(per=per), Flip(per=per)", "Flip(per=per)"),
    ),
    *planted_in(
        "losses",
        "methods/pstl.py",
        f"{PSTL} -k head",
        (
            "counts the diagonal as redundancy",
            "correlation.square().sum() - correlation.diagonal().square().sum()",
            "correlation.square().sum()",
        ),
        ("leaves redundancy out", "invariance + off_diagonal * redundancy", "invariance"),
        ("divides by the width", "sums[-1].detach()", "a.shape[1]"),
    ),
    *planted_in(
        "losses",
        "sslskel/contrastive/losses.py",
        f"{LOSSES} {RELEASED} -k 'losses or aimclr or cmd'",
        (
            "takes the first queue entry for the key",
            "functional.log_softmax(logits, 1)[:, 0]",
            "functional.log_softmax(logits, 1)[:, 1]",
        ),
        ("adds positives up", "* chosen).sum(1) / chosen.sum(1)", "* chosen).sum(1)"),
        (
            "takes the farthest for the nearest",
            "similarity.topk(count, dim=1)",
            "similarity.topk(count, dim=1, largest=False)",
        ),
        ("lets the teacher learn", "teacher.detach().softmax(1)", "teacher.softmax(1)"),
        (
            "exchanges teacher and student",
            "functional.kl_div(student_log, target,",
            "functional.kl_div(target, student_log,",
        ),
        (
            "counts all joints as hidden",
            "error.new_full((), len(error)) * hidden.sum()",
            "error.new_full((), error.numel())",
        ),
    ),
    *planted_in(
        "losses",
        "sslskel/contrastive/queue.py",
        f"{QUEUE} {RELEASED} -k 'queue or skeletonclr'",
        (
            "overwrites its newest keys",
            "self.place.add_(len(rows)).remainder_(len(self.entries))",
            "self.place.add_(0)",
        ),
        ("writes keys from the front", "(self.place + torch.arange(", "(0 * self.place + torch.arange("),
    ),
    *planted_in(
        "methods",
        "sslskel/contrastive/momentum.py",
        f"{RELEASED} -k 'skeletonclr or cmd'",
        (
            "follows at its own pace",
            "follow(self.key, self.query, self.momentum)",
            "follow(self.key, self.query, 0.999)",
        ),
        ("does not follow", "follow(self.key, self.query, self.momentum)", "pass"),
        ("never fills its queue", "self.queue.push(self._new, clip_counts(len(self._new), self._new.device))", "pass"),
        (
            "compares keys with the query's queue rows",
            "return similarities(query, key, self.queue.entries)",
            "return similarities(query, query, self.queue.entries)",
        ),
        (
            "fills the queue before the loss",
            "        self._new = keys.detach()\n        return self._new",
            "        self._new = keys.detach()\n        self.queue.push(self._new)\n        return self._new",
        ),
    ),
    *planted_in(
        "methods",
        "sslskel/contrastive/config.py",
        f"{RELEASED} -k skeletonclr",
        ("has another default temperature", "temperature: float = 0.07", "temperature: float = 0.1"),
    ),
    *planted_in(
        "methods",
        "sslskel/contrastive/tower.py",
        f"{JUDGED} {RELEASED} -k 'skeletonclr or cmd or (heads and crossclr)'",
        (
            "does not bring embeddings to length 1",
            "functional.normalize(raw, dim=1) if self.unit_length else raw",
            "raw",
        ),
        (
            "judges joints whatever the stream",
            '"reference" if counts_all else "present", self.prepare',
            '"reference" if counts_all else "present"',
        ),
        ("judges present persons alone", '"reference" if counts_all else "present"', '"present"'),
        ("leaves missing persons out", "filled = self.empty_bodies is EmptyBodies.reference and", "filled = False and"),
    ),
    *planted_in(
        "methods",
        "sslskel/nn/teacher.py",
        f"tests/nn/test_teacher.py {RELEASED} -k 'teacher or skeletonclr'",
        (
            "exchanges the shares of teacher and student",
            "torch._foreach_mul_(ours, momentum)",
            "torch._foreach_mul_(ours, 1 - momentum)",
        ),
        ("takes a teacher's statistics for its own", "if not self.own_statistics:", "if self.own_statistics:"),
    ),
)
