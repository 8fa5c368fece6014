"""PCM3: momentum contrast, masked prediction and mixed clips that teach one another, with prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sslskel.backbone import SequenceBackbone
from sslskel.batch import Batch, StepOutput, Term
from sslskel.config import Stream, require
from sslskel.contrastive.config import ContrastConfig, Fidelity, decay_all, require_queue, require_temperature
from sslskel.contrastive.frame_decoder import FrameDecoder
from sslskel.contrastive.losses import divergence, info_nce, mean_term
from sslskel.contrastive.mixing import mix_plan, require_parts, topology_mask
from sslskel.contrastive.momentum import momentum_contrast
from sslskel.contrastive.prompt import FeaturePrompt, input_prompt
from sslskel.contrastive.recipes import PCM3 as RECIPE
from sslskel.contrastive.tower import HeadStart
from sslskel.contrastive.views import crop_view
from sslskel.distributed import gather_rows, own_rows
from sslskel.errors import UsageError
from sslskel.method import BuildBackbone, Encoder, MethodCard, PretextMethod, Progress
from sslskel.noise import Noise
from sslskel.view import ClipSpec, ViewSpec

BRANCHES = ("query", "masked", "predicted", "mix")


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
    prediction_weight: float = 40.0
    distil_weight: float = 1.0
    teacher_temperature: float = 0.05
    student_temperature: float = 0.1
    fidelity: Fidelity = Fidelity.released

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.decoder_width >= 1, f"method.decoder_width is {self.decoder_width}; it must be at least 1")
        require(0 < self.prompt_share < 1, f"method.prompt_share is {self.prompt_share}; it must be between 0 and 1")
        require(0.2 <= self.mask_ratio < 1, f"method.mask_ratio is {self.mask_ratio}; it must be in [0.2, 1)")
        for name in ("prediction_weight", "distil_weight"):
            require(0 <= getattr(self, name) < 1e9, f"method.{name} is {getattr(self, name)}; it must be from 0")
        require_temperature("teacher_temperature", self.teacher_temperature)
        require_temperature("student_temperature", self.student_temperature)


class PCM3(PretextMethod):
    """Contrast and masked prediction feed each other: what was predicted is one more view, as is a mix of two clips.

    Zhang et al., "Prompted Contrast with Masked Motion Modeling: Towards Versatile 3D Action
    Representation Learning", ACM MM 2023. Released: the prompts of the input stand in front of
    a norm whose mean takes them away, and so does the prediction's prompt, so that only the
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
            "five of six prompts cannot act; resized mixes read the first frames; no distillation without "
            "prompts; both directions of the GRU run forward"
        ),
    )
    cross_batch = True
    default_backbone = "gru_stepped"
    recipe: ClassVar[Mapping[str, Any]] = RECIPE

    def __init__(self, config: PCM3Config, build_backbone: BuildBackbone, clip: ClipSpec) -> None:
        super().__init__(config, build_backbone, clip)
        self.config: PCM3Config = config
        self.released = config.fidelity is Fidelity.released
        require_parts(clip.layout, clip.frames, "pcm3")
        self.contrast = momentum_contrast(config, build_backbone, clip, config.stream, HeadStart.xavier)
        if not isinstance(self.contrast.query.backbone, SequenceBackbone):
            raise UsageError("pcm3 predicts frame by frame and needs a recurrent backbone: gru_stepped or bigru")
        dim, numbers = self.contrast.query.backbone.dim, clip.persons * clip.layout.num_joints * clip.coordinates
        self.decoder = FrameDecoder(dim, config.decoder_width, numbers)
        self.inputs, self.tasks = nn.ParameterDict(), nn.ModuleDict()
        if config.prompts:
            names = ("clean", "masked", "predicted", "mix") if self.released else ("masked", "predicted", "mix")
            self.inputs = nn.ParameterDict({name: input_prompt(numbers) for name in names})
            self.tasks["contrast"] = FeaturePrompt(config.prompt_share, dim)
            self.tasks["prediction"] = FeaturePrompt(config.prompt_share, dim)

    def views(self) -> tuple[ViewSpec, ...]:
        """Query, key, and the view that is masked, which is never corrupted."""
        return crop_view(self.clip), crop_view(self.clip), crop_view(self.clip, corrupted=False)

    def require_batches(self, smallest: int, largest: int) -> None:
        """The queue must hold a batch, and three clips are the fewest to mix."""
        require_queue(self.config.queue, largest)
        require(
            smallest >= 3, f"pcm3 mixes clips and needs 3 in a step, but one has {smallest}; raise train.batch_size"
        )

    def on_step_start(self, progress: Progress) -> None:
        """Move the key encoder."""
        self.contrast.follow()

    def _frames(self, backbone: nn.Module, sequence: Tensor, prompt: str) -> Tensor:
        """(N, T, V*C*M) -> features (N, T, 1, D), with the input's prompt."""
        added = self.inputs.get(prompt)
        assert isinstance(backbone, SequenceBackbone)
        if added is None or not self.released:
            return backbone.encode(sequence, added)
        return backbone.encode(sequence + added)

    def _task(self, task: str, noise: Noise, site: str) -> Tensor | None:
        if task not in self.tasks:
            return None
        prompt = self.tasks[task]
        assert isinstance(prompt, FeaturePrompt)
        return prompt.placed(noise, f"prompt.{site}")

    def _embed(self, key: bool, features: Tensor, noise: Noise, site: str) -> Tensor:
        """Features (N, T, 1, D) -> embeddings (N, dim), with the prompt of contrast."""
        tower, prompt = self.contrast.key if key else self.contrast.query, self._task("contrast", noise, site)
        pooled = tower.backbone.pool(features)
        return tower.embed(pooled if prompt is None else pooled + prompt)

    def forward(self, views: Sequence[Batch], noise: Noise, progress: Progress) -> StepOutput:
        """InfoNCE and distillation of four queries, and the prediction of what was hidden."""
        query, key = self.contrast.query, self.contrast.key
        for view, batch in enumerate(views):
            query.backbone.bind(noise.view(view).on(batch))
            key.backbone.bind(noise.view(view).on(batch))
        backbone = query.backbone
        assert isinstance(backbone, SequenceBackbone)
        clips = [query.tracks(batch) for batch in views]
        found = {
            "query": self._embed(False, self._frames(backbone, backbone.sequence(clips[0]), "clean"), noise, "query")
        }
        terms, found["masked"], found["predicted"] = self._predict(backbone.sequence(clips[2]), noise)
        mixed, partner, share = self._mixed(clips[0], noise)
        found["mix"] = self._embed(False, self._frames(backbone, backbone.sequence(mixed), "mix"), noise, "mix")
        with torch.no_grad():
            own = self._embed(True, self._frames(key.backbone, backbone.sequence(clips[1]), "clean"), noise, "key")
            keys = self.contrast.keep(own)
            everyone = gather_rows(keys)
            blend = torch.nn.functional.normalize((1 - share) * keys + share * everyone[partner], dim=1)
        for name in BRANCHES:
            self._compare(terms, name, found[name], blend if name == "mix" else keys)
        return StepOutput(terms)

    def _compare(self, terms: dict[str, Term], name: str, query: Tensor, key: Tensor) -> None:
        """Add a query's InfoNCE, and its distillation from the key's similarities with the queue."""
        config, similar = self.config, self.contrast.similarities(query, key)
        terms[f"contrast_{name}"] = mean_term(info_nce(similar / config.temperature))
        if config.prompts or not self.released:
            wanted = key @ self.contrast.queue.entries.to(key).T
            rows = divergence(similar[:, 1:] / config.student_temperature, wanted / config.teacher_temperature)
            terms[f"distil_{name}"] = mean_term(rows, config.distil_weight)

    def _predict(self, sequence: Tensor, noise: Noise) -> tuple[dict[str, Term], Tensor, Tensor]:
        """The term of prediction, and embeddings (N, dim) of the masked and of the filled clips."""
        config, backbone = self.config, self.contrast.query.backbone
        parts = topology_mask(self.clip.layout, self.clip.frames, config.mask_ratio, noise)
        hidden = parts.new_zeros(*parts.shape, self.clip.coordinates, self.clip.persons)
        hidden[..., 0] = parts[..., None]
        hidden = hidden.flatten(1)
        features = self._frames(backbone, sequence.masked_fill(hidden, 0), "masked")
        prompt = self._task("prediction", noise, "prediction")
        # Encoder and decoder learn from the prediction, from what the guess is good for the decoder alone.
        inputs = [features[:, :, 0], features[:, :, 0].detach()] if config.prompts else [features[:, :, 0]]
        entered = [self.decoder.enter(one, prompt, behind_norm=not self.released) for one in inputs]
        predicted, *guesses = self.decoder(torch.cat(entered)).split(len(sequence))
        guess = guesses[0] if guesses else predicted.detach()
        error = (predicted - sequence).square() * hidden
        count = error.new_full((), len(sequence)) * hidden.sum()
        filled = torch.where(hidden, guess, sequence)
        masked = self._embed(False, features, noise, "masked")
        whole = self._embed(False, self._frames(backbone, filled, "predicted"), noise, "predicted")
        return {"prediction": Term(error.sum(), count, config.prediction_weight)}, masked, whole

    def _mixed(self, clips: Tensor, noise: Noise) -> tuple[Tensor, Tensor, Tensor]:
        """Clips (n, T, M*V, C) mixed with partners of the global batch, whose rows (n,), and their share ()."""
        rows, frames, slots, channels = clips.shape
        persons = clips.reshape(rows, frames, self.clip.persons, slots // self.clip.persons, channels).transpose(1, 2)
        everyone = gather_rows(persons)
        plan = mix_plan(self.clip.layout, self.clip.frames, len(everyone), self.config.fidelity, noise)
        partner = own_rows(plan.partner, len(clips))
        mixed = plan.apply(persons, everyone[partner])
        return mixed.transpose(1, 2).flatten(2, 3), partner, plan.share.to(clips.dtype)

    def on_step_end(self, progress: Progress) -> None:
        """Put the keys into the queue."""
        self.contrast.push()

    def encoders(self) -> dict[str, Encoder]:
        """The query's backbone."""
        return {self.config.stream.value: self.contrast.query.encoder()}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """One group: weight decay on everything, as released."""
        return decay_all(self)
