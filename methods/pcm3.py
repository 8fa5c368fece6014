"""PCM3: momentum contrast, masked prediction and mixed clips that learn from each other, with prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from sslskel import (
    Batch,
    BuildBackbone,
    ClipSpec,
    Encoder,
    Fidelity,
    MethodCard,
    Noise,
    PretextMethod,
    Progress,
    SequenceBackbone,
    StepOutput,
    Stream,
    Term,
    UsageError,
    ViewSpec,
    clip_counts,
    crop_view,
    gather_rows,
    own_rows,
    require,
)
from sslskel.contrastive import (
    CROPPED_CLIP,
    ContrastConfig,
    HeadInit,
    ReleasedSteps,
    divergence,
    info_nce,
    masked_error,
    mean_term,
    momentum_contrast,
    require_distillation,
    require_weight,
    sgd_recipe,
)
from sslskel.nn.frame_decoder import FrameDecoder
from sslskel.nn.prompts import Prompts
from sslskel.transforms.body_parts import UNIT, Extent, blended_keys, mix_plan, require_chunks, topology_mask


@dataclass
class PCM3Config(ContrastConfig):
    """Defaults are those of the released NTU scripts."""

    stream: Stream = Stream.joint
    prompts: bool = True
    """The released bone and motion trainings go without."""
    prompt_share: float = 0.125
    """Numbers of the contrast and the prediction prompt, as a share of a feature's: 256 of 2048."""
    mask_ratio: float = 0.6
    """Share of the five body parts hidden in each chunk of 8 frames."""
    decoder_width: int = 512
    """Hidden units of the decoder that predicts hidden parts."""
    prediction_weight: float = 40.0
    """Weight of the prediction of hidden parts."""
    distil_weight: float = 1.0
    """Weight of what a query learns from its key's similarities to the queue."""
    teacher_temperature: float = 0.05
    """Of the similarities of a teacher's key."""
    student_temperature: float = 0.1
    """Of the similarities of a student's query."""
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.decoder_width >= 1, f"method.decoder_width is {self.decoder_width}; it must be at least 1")
        require(0 < self.prompt_share < 1, f"method.prompt_share is {self.prompt_share}; it must be between 0 and 1")
        require(0.2 <= self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must be in [0.2, 1)")
        require_weight("prediction_weight", self.prediction_weight)
        require_distillation(self.teacher_temperature, self.student_temperature, self.distil_weight)


def hidden_numbers(clip: ClipSpec, ratio: float, noise: Noise) -> Tensor:
    """The topology mask on the numbers of a frame as recurrent backbones read them: (T, V*C*M) bool.

    Only the first person is masked, as released. Draws and errors are those of ``topology_mask``.
    """
    joints = topology_mask(clip.layout, clip.frames, ratio, noise)
    hidden = joints.new_zeros(*joints.shape, clip.coordinates, clip.persons)
    hidden[..., 0] = joints[..., None]
    return hidden.flatten(1)


class Mix(NamedTuple):
    """This process's clips, mixed with partners from the whole batch."""

    tracks: Tensor
    """(n, T, M*V, C)."""
    partner: Tensor
    """(n,) int64 rows of the global batch."""
    share: Tensor
    """(), how much of a mix is the partner's."""

    def blended(self, keys: Tensor) -> Tensor:
        """Keys (n, dim) of the clips as they were -> those of the mixes, of length 1, blended with the partners'."""
        return blended_keys(keys, gather_rows(keys, clip_counts(len(keys), keys.device))[self.partner], self.share)


def mix_clips(tracks: Tensor, clip: ClipSpec, fidelity: Fidelity, noise: Noise) -> Mix:
    """Mix joined clips (n, T, M*V, C) by one plan for the global batch.

    Of a mix that is cut or resized 2 or 3 body parts over 7 to 11 units of 4 frames (of 64; in proportion otherwise)
    are the partner's. Draws and errors are those of ``mix_plan``.
    """
    persons = tracks.reshape(*tracks.shape[:2], clip.persons, -1, tracks.shape[3]).transpose(1, 2)
    counts = clip_counts(len(persons), persons.device)
    everyone, units = gather_rows(persons, counts), clip.frames // UNIT
    extent = Extent(parts=(2, 3), units=(round(units * 7 / 16), round(units * 11 / 16)))
    plan = mix_plan(clip.layout, clip.frames, len(everyone), extent, noise, fidelity=fidelity)
    partner = own_rows(plan.partner, len(tracks), counts)
    mixed = plan.apply(persons, everyone[partner]).transpose(1, 2).flatten(2, 3)
    return Mix(mixed, partner, plan.share.to(tracks.dtype))


class PCM3(ReleasedSteps, PretextMethod[PCM3Config]):
    """Contrast and masked prediction feed each other: what was predicted is one more view, as is a mix of two clips.

    Zhang et al., "Prompted Contrast with Masked Motion Modeling: Towards Versatile 3D Action
    Representation Learning", ACM MM 2023. Released: the prompts of the input are added before
    a norm whose mean removes them, and so does the prediction's prompt, so that only the
    contrast's prompt acts in training (the others shift running means alone); a resized mix
    reads the partner's first frames; no clip is mixed with the one before it; distillation
    is left out without prompts. Paper: prompts join behind the norms, where they act (the
    one of unchanged views is the norm's own bias); mixes read around the same moment, any
    other clip can be the partner, distillation stays. In both, distillation compares with
    the whole queue and evaluation uses no prompt. The released "bidirectional" GRU runs both
    directions forward in time: ``--backbone gru_stepped`` is as released.
    """

    Config = PCM3Config
    card = MethodCard(
        paper=(
            "Zhang et al., Prompted Contrast with Masked Motion Modeling: Towards Versatile 3D Action "
            "Representation Learning, ACM MM 2023"
        ),
        year=2023,
        family="momentum contrast and masked prediction",
        checked=(
            "released code: every term, gradients, keys, weights of 3 steps with and without prompts, and one "
            "step at full size"
        ),
        departures=(
            "five of six prompts have no effect; resized mixes use the first frames; no distillation without "
            "prompts; both directions of the GRU run forward"
        ),
        protocols=("linear_cmd", "knn"),
    )
    cross_batch = True
    default_backbone = "gru_stepped"
    recipe: ClassVar[Mapping[str, Any]] = {
        "train": sgd_recipe(epochs=451, batch_size=128, lr=0.02, milestone=351),
        "clip": CROPPED_CLIP,
    }

    def __init__(self, config: PCM3Config, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.released = config.fidelity is Fidelity.released
        require_chunks(clip.layout, clip.frames, "pcm3")
        self.contrast = momentum_contrast(config, build_backbone, clip, config.stream, HeadInit.xavier)
        if not isinstance(self.contrast.query.backbone, SequenceBackbone):
            raise UsageError("pcm3 predicts frame by frame and needs a recurrent backbone: gru_stepped or bigru")
        dim, numbers = self.contrast.query.backbone.dim, clip.persons * clip.layout.num_joints * clip.coordinates
        self.decoder = FrameDecoder(dim, config.decoder_width, numbers)
        inputs = (["clean"] if self.released else []) + ["masked", "predicted", "mix"]
        inputs, tasks = (inputs, ["contrast", "prediction"]) if config.prompts else ([], [])
        self.prompts = Prompts(inputs, tasks, numbers, dim, config.prompt_share, late=not self.released)

    def views(self) -> tuple[ViewSpec, ...]:
        """Query, key, and the view that is masked, which is never corrupted."""
        return crop_view(self.clip), crop_view(self.clip), crop_view(self.clip, corrupted=False)

    def require_batches(self, smallest: int, largest: int) -> None:
        """The queue must hold a batch, and three clips are the fewest to mix."""
        super().require_batches(smallest, largest)
        require(
            smallest >= 3, f"pcm3 mixes clips and needs 3 in a step, but one has {smallest}; raise train.batch_size"
        )

    def _embed(self, features: Tensor, noise: Noise, site: str) -> Tensor:
        """Features (N, T, 1, D) -> embeddings (N, dim), with the prompt of contrast."""
        tower = self.contrast.key if site == "key" else self.contrast.query
        return tower.embed(self.prompts.added(tower.backbone.pool(features), "contrast", noise, site))

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """InfoNCE and distillation of four queries, and the prediction of what was hidden."""
        backbone, key_backbone = self.contrast.query.backbone, self.contrast.key.backbone
        assert isinstance(backbone, SequenceBackbone)
        for network in (backbone, key_backbone):
            network.bind(noise.on(views[0]))
        clips = [self.contrast.query.tracks(batch) for batch in views]
        mix = mix_clips(clips[0], self.clip, self.config.fidelity, noise)
        query, key, sheared, mixed = (backbone.sequence(tracks) for tracks in (*clips, mix.tracks))
        seen = {"query": self.prompts.encode(backbone, query, "clean")}
        prediction, seen["masked"], filled = self._predict(sheared, noise)
        seen["predicted"] = self.prompts.encode(backbone, filled, "predicted")
        seen["mix"] = self.prompts.encode(backbone, mixed, "mix")
        queries = {name: self._embed(features, noise, name) for name, features in seen.items()}
        with torch.no_grad():
            features = self.prompts.encode(key_backbone, key, "clean")
            keys = self.contrast.keep(self._embed(features, noise, "key"))
            blended = mix.blended(keys)
        terms = {"prediction": prediction}
        for name, embedded in queries.items():
            terms |= self._compare(name, embedded, blended if name == "mix" else keys)
        return StepOutput(terms)

    def _compare(self, name: str, query: Tensor, key: Tensor) -> dict[str, Term]:
        """A query's InfoNCE, and its distillation from the key's similarities with the queue."""
        config, similar = self.config, self.contrast.similarities(query, key)
        terms = {f"contrast_{name}": mean_term(info_nce(similar / config.temperature))}
        if config.prompts or not self.released:
            wanted = self.contrast.neighbourhood(key)
            rows = divergence(similar[:, 1:] / config.student_temperature, wanted / config.teacher_temperature)
            terms[f"distil_{name}"] = mean_term(rows, config.distil_weight)
        return terms

    def _predict(self, sequence: Tensor, noise: Noise) -> tuple[Term, Tensor, Tensor]:
        """The term of prediction, features (N, T, 1, D) of the masked clips, and the filled ones (N, T, V*C*M)."""
        hidden = hidden_numbers(self.clip, self.config.mask_ratio, noise)
        masked = self.prompts.encode(self.contrast.query.backbone, sequence.masked_fill(hidden, 0), "masked")
        prompt, features = self.prompts.of("prediction", noise, "prediction"), masked[:, :, 0]
        # Encoder and decoder learn from the prediction, from what the guess is good for the decoder alone.
        inputs = [features, features.detach()] if self.config.prompts else [features]
        entered = [self.decoder.enter(one, prompt, behind_norm=not self.released) for one in inputs]
        predicted, *guesses = self.decoder(torch.cat(entered)).split(len(sequence))
        guess = guesses[0] if guesses else predicted.detach()
        term = masked_error(predicted, sequence, hidden, self.config.prediction_weight)
        return term, masked, torch.where(hidden, guess, sequence)

    def encoders(self) -> dict[str, Encoder]:
        """The query's backbone."""
        return {self.config.stream.value: self.contrast.query.encoder()}
