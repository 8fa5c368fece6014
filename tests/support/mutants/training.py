"""Faults of optimisers, their groups, recipes and the training loop."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

RELEASED = "tests/methods/test_contrastive_released.py"
RULES = "tests/engine/test_training_rules.py"
SCHEDULES = "tests/engine/test_lr_schedule.py tests/engine/test_schedules.py"

TRAINING: tuple[Mutant, ...] = (
    *planted_in(
        "optimisers",
        "sslskel/engine/probing.py",
        "tests/engine/test_probing.py",
        (
            "takes the last of equal epochs",
            "if self._chooses and step and value > max(",
            "if self._chooses and step and value >= max(",
        ),
        ("forgets its scores", 'if facts.get("name") == self.name:', "if not facts:"),
        (
            "may choose no training",
            "for at, v in self._scores.items() if at), default",
            "for at, v in self._scores.items()), default",
        ),
    ),
    *planted_in(
        "optimisers",
        "sslskel/grid/probe.py",
        "tests/grid/test_probe.py -m 'not long'",
        (
            "is asked for test clips",
            'cell.split).part(dataset, "train")',
            'cell.split).part(dataset, "test")',
        ),
        ("leaves numpy's generator moved", "np.random.set_state(of_numpy)", "pass"),
    ),
    *planted_in(
        "optimisers",
        "sslskel/contrastive/config.py",
        f"{RELEASED} -k 'skeletonclr or cmd'",
        (
            "decays nothing",
            '[{"params": [p for p in method.parameters() if p.requires_grad]}]',
            '[{"params": [p for p in method.parameters() if p.requires_grad], "weight_decay": 0.0}]',
        ),
        (
            "leaves biases undecayed",
            '[{"params": [p for p in method.parameters() if p.requires_grad]}]',
            '[{"params": [p for p in method.parameters() if p.requires_grad and p.ndim > 1]}, {"params": [p for p in'
            ' method.parameters() if p.requires_grad and p.ndim <= 1], "weight_decay": 0.0}]',
        ),
    ),
    *planted_in(
        "optimisers",
        "sslskel/contrastive/sgd_recipe.py",
        f"{RELEASED} tests/methods/test_recipes_released.py -k 'skeletonclr or cmd or recipe'",
        ("decays nothing", '"weight_decay": 1e-4', '"weight_decay": 0.0'),
        ("has no momentum", '"momentum": 0.9', '"momentum": 0.0'),
        ("warms up", '"warmup_epochs": 0', '"warmup_epochs": 5'),
        ("falls by half", '"decay": 0.1', '"decay": 0.5'),
        ("crops half", '"crop_min": 0.1', '"crop_min": 0.5'),
        ("turns whole clips", '"test_crop": 1.0,\n    "rotation": 0.0', '"test_crop": 1.0,\n    "rotation": 0.3'),
    ),
    *planted_in(
        "optimisers",
        "methods/pstl.py",
        "tests/methods/test_pstl_released.py tests/methods/test_recipes_released.py",
        ("decays nothing", '"weight_decay": 1e-5', '"weight_decay": 0.0'),
        ("trains with AdamW", '"optimiser": "adam"', '"optimiser": "adamw"'),
        ("has another second beta", '"beta2": 0.999', '"beta2": 0.9'),
    ),
    *planted_in(
        "optimisers",
        "methods/pcm3.py",
        "tests/methods/test_recipes_released.py",
        ("trains at a tenth of its rate", "lr=0.02, milestone=351", "lr=0.002, milestone=351"),
    ),
    *planted_in(
        "optimisers",
        "sslskel/api/method.py",
        f"tests/engine/test_train.py {RULES} tests/engine/test_guard.py",
        (
            "decays biases and norms",
            '{"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0}',
            '{"params": [p for p in trained if p.ndim <= 1]}',
        ),
        (
            "leaves biases untrained",
            '            {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},\n',
            "",
        ),
    ),
    *planted_in(
        "optimisers",
        "sslskel/engine/optim.py",
        f"{RULES} {SCHEDULES}",
        ("forgets SGD's momentum", "momentum=train.momentum,", "momentum=0.0,"),
        ("forgets the betas", "betas=(train.beta1, train.beta2)", "betas=(0.9, 0.999)"),
        ("ignores the decay of a group", "if not group[OWN_DECAY]:", "if True:"),
        ("ignores the rate of a layer", 'rate * group.get("lr_scale", 1.0)', "rate"),
        ("takes Adam for AdamW", ".get(train.optimiser, AdamW)", ".get(train.optimiser, Adam)"),
    ),
    *planted_in(
        "optimisers",
        "sslskel/engine/schedule.py",
        SCHEDULES,
        ("warms up from the full rate", "return train.lr * epoch / train.warmup_epochs", "return train.lr"),
        ("falls to zero", "train.min_lr + (train.lr - train.min_lr) * left", "train.lr * left"),
        ("falls along a cosine where a line is asked for", "1 - turn if train.schedule is Schedule.linear else ", ""),
        ("falls a step late", "epoch >= milestone for", "epoch > milestone for"),
        ("counts warm-up twice", "(epoch - train.warmup_epochs) / span", "epoch / span"),
    ),
    *planted_in(
        "optimisers",
        "sslskel/engine/train.py",
        f"{RULES} {RELEASED} -k 'hand or hooks or skeletonclr'",
        ("never moves key encoders", "        run.method.on_step_start(progress, noise)\n", ""),
        ("never fills queues", "        run.method.on_step_end(progress, noise)\n", "        pass\n"),
        (
            "trains in eval mode",
            "        run.method.on_epoch_start(SourceClips(run.shown), noise, run.progress)\n    run.method.train()",
            "        run.method.on_epoch_start(SourceClips(run.shown), noise, run.progress)",
        ),
    ),
    *planted_in(
        "optimisers",
        "sslskel/engine/turns.py",
        f"{RULES} {SCHEDULES}",
        ("adds up gradients over steps", "        self._method.zero_grad(set_to_none=True)\n", ""),
        ("never sets the rate", "            set_rate(update.optimiser, rate)\n", ""),
        (
            "never sets the decay",
            "            set_decay(update.optimiser, weight_decay(update.train).at(progress))\n",
            "",
        ),
    ),
    *planted_in(
        "optimisers",
        "sslskel/engine/gradients.py",
        RULES,
        ("forgets the weight of a term", "term.scale * term.total * factor", "term.total * factor"),
        ("divides by clips and not by counts", "return sums.result(clips / count)", "return sums.result(None)"),
    ),
    *planted_in(
        "optimisers",
        "sslskel/evaluation/finetune_training.py",
        "tests/evaluation/test_finetune_head_released.py",
        ("has one rate for all layers", "scale = decay ** max(len(layers) - 1 - at, 0)", "scale = 1.0"),
        ("counts the head as a layer", "max(len(layers) - 1 - at, 0)", "max(len(layers) - at, 0)"),
        ("decays biases", "weight_decay if decay_all or not flat else 0.0", "weight_decay"),
    ),
)
