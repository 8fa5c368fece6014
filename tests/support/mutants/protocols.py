"""Faults of protocols, their heads and their scores."""

from __future__ import annotations

from mutants.kind import Mutant, planted_in

KNN = "tests/protocols/test_knn.py tests/protocols/test_knn_released.py tests/evaluation/test_neighbours.py"
LINEAR = (
    "tests/protocols/test_linear.py tests/evaluation/test_linear_head.py tests/evaluation/test_linear_head_released.py"
)
RECIPES = "tests/protocols/test_recipes.py tests/evaluation/test_contrastive_released_heads.py"

PROTOCOLS: tuple[Mutant, ...] = (
    *planted_in(
        "protocols",
        "sslskel/protocols/knn.py",
        KNN,
        (
            "gives ties to the largest class",
            "return leading.to(torch.int8).argmax(1)",
            "return leading.shape[1] - 1 - leading.flip(1).to(torch.int8).argmax(1)",
        ),
        ("ignores ties", "return torch.where(leading, first, k + 1).argmin(1)", "return votes.argmax(1)"),
        ("weighs no vote", "if voices is None else voices.double()", ""),
        (
            "finds neighbours in the test part",
            "nearest(asked, known, config.k, config.block)",
            "nearest(asked, asked, config.k, config.block)",
        ),
        (
            "asks one neighbour",
            "nearest(asked, known, config.k, config.block)",
            "nearest(asked, known, 1, config.block)",
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/neighbours.py",
        KNN,
        (
            "compares without bringing to length 1",
            "functional.normalize(gallery[start : start + block].to(exact), dim=1)",
            "gallery[start : start + block].to(exact)",
        ),
        ("forgets where a block starts", "torch.cat([at, where + start], 1)", "torch.cat([at, where], 1)"),
        (
            "takes the farthest first",
            "both.sort(dim=1, descending=True, stable=True)",
            "both.sort(dim=1, descending=False, stable=True)",
        ),
        (
            "joins streams at their own lengths",
            "torch.cat([functional.normalize(rows, dim=1) for rows in features.values()], 1)",
            "torch.cat(list(features.values()), 1)",
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/protocols/retrieval.py",
        "tests/protocols/test_retrieval.py",
        ("divides by the place from 0", "(count / (own + 1)).mean(1)", "(count / own.clamp(min=1)).mean(1)"),
        ("counts one place more", "(place < length)).mean())", "(place <= length)).mean())"),
        (
            "gives a class that is not there full marks",
            "np.where(place >= 0, precision, 0)",
            "np.where(place >= 0, precision, 1)",
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/protocols/few_shot.py",
        "tests/protocols/test_few_shot.py",
        ("looks at one clip of several", "supports.to(exact).mean(1)", "supports.to(exact)[:, 0]"),
        (
            "holds the same classes out in every draw",
            'shuffled("few_shot classes", known, config.subset_seed, draw)',
            'shuffled("few_shot classes", known, config.subset_seed, 0)',
        ),
        (
            "scores clips of all classes",
            "[rows][asked].astype(np.int64), labels[asked])",
            "[rows].astype(np.int64), labels)",
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/protocols/cluster.py",
        "tests/protocols/test_cluster.py",
        ("matches at random", "linear_sum_assignment(table, maximize=True)", "linear_sum_assignment(table)"),
        ("clusters the test part", "if config.fit is Fit.train:", "if config.fit is Fit.test:"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/linear_head.py",
        f"{LINEAR} {RECIPES}",
        (
            "has an affine norm",
            "nn.BatchNorm1d(dim, affine=False, eps=1e-6, dtype=dtype)",
            "nn.BatchNorm1d(dim, affine=True, eps=1e-6, dtype=dtype)",
        ),
        ("has torch's epsilon", "eps=1e-6", "eps=1e-5"),
        ("starts ten times as large", "std * noise.normal(", "10 * std * noise.normal("),
        ("keeps its first rate", 'group["lr"] = rate', "pass"),
        (
            "does not normalise while it learns",
            "kernels, normed = torch.ops.aten, head.norm(features)",
            "kernels, normed = torch.ops.aten, features",
        ),
        (
            "forgets the bias",
            "head.fc.bias.grad = change.t() @ normed, change.sum(0)",
            "head.fc.bias.grad = change.t() @ normed, 0 * change.sum(0)",
        ),
        (
            "ends its cosine at half the rate",
            "base * 0.5 * (1 + math.cos(math.pi * step / steps))",
            "base * 0.5 * (1 + math.cos(math.pi * 0.5 * step / steps))",
        ),
        ("drops a last clip", "parts[-2:] = [torch.cat(parts[-2:])]", "parts[-1:] = []"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/linear_training.py",
        "tests/protocols/test_linear.py tests/protocols/test_recipes.py",
        (
            "has its own momentum",
            "SGD(head.parameters(), rate, momentum=momentum,",
            "SGD(head.parameters(), rate, momentum=0.9,",
        ),
        ("decays by its own share", "momentum=momentum, weight_decay=decay", "momentum=momentum, weight_decay=1e-2"),
        (
            "trains on the test view",
            'return self.encode(self.clips, "train", epoch)',
            'return self.encode(self.clips, "test", epoch)',
        ),
        (
            "shows the same view in every epoch",
            'return self.encode(self.clips, "train", epoch)',
            'return self.encode(self.clips, "train", 1)',
        ),
        (
            "adds streams up",
            "for stream, head in heads.items()]).mean(0)",
            "for stream, head in heads.items()]).sum(0)",
        ),
        ("asks in training mode", "head.eval()(features[stream])", "head.train()(features[stream])"),
        (
            "chooses by the clips it has learnt",
            "else [self._contender(rate, fit) for rate in rates]",
            "else self.reported",
        ),
        (
            "takes the last of equals",
            "if best is None or accuracy > best[0]:",
            "if best is None or accuracy >= best[0]:",
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/logistic.py",
        "tests/evaluation/test_logistic.py",
        ("forgets the penalty", "+ (weight**2).sum() / (2 * c * count)", ""),
        ("penalises by c", "/ (2 * c * count)", "* c / (2 * count)"),
        (
            "does not standardise",
            "scale = torch.where(spread > TINY, 1 / spread, 0.0)",
            "scale = torch.ones_like(spread)",
        ),
        ("says that it has converged", "gradient, gradient <= tolerance)", "gradient, True)"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/spread.py",
        "tests/evaluation/test_spread.py",
        (
            "lets the others wait for a first process that ended",
            'self._store.set(f"{number}/go", verdict)',
            'verdict == FAILED or self._store.set(f"{number}/go", verdict)',
        ),
        ("takes a stop for a failed cell", 'f"{STOPPED}{code}"', 'f"{FAILED}{code}"'),
        ("encodes levels alone", "and one.encoder is own else None", "and one is own else None"),
    ),
    *planted_in(
        "protocols",
        "sslskel/protocols/logreg.py",
        "tests/protocols/test_logreg.py",
        (
            "chooses c by the clips it has learnt",
            "labels[held]))",
            "labels[held]) * 0 + _accuracy(_mean_logits(fits, seen, classes), labels[fit]))",
        ),
        (
            "reports a fit without the held-out clips",
            "fits = self._fitted(known, labels, c)",
            "fits = self._fitted({s: r[::2] for s, r in known.items()}, labels[::2], c)",
        ),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/subsets.py",
        "tests/evaluation/test_subsets.py tests/protocols/test_semi.py",
        ("rounds down", "math.floor(fraction * len(own) + 0.5)", "math.floor(fraction * len(own))"),
        (
            "is the same in every draw",
            "Noise(stable_id(site, str(seed)), draw)",
            "Noise(stable_id(site, str(seed)), 0)",
        ),
        ("depends on the order of storage", "return keys.argsort()[shuffle]", "return shuffle"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/metrics.py",
        "tests/evaluation/test_metrics.py",
        ("averages over clips, not classes", 'average="macro"', 'average="micro"'),
        ("scores rows in their own order", "labels = truth.of(outcome.keys)", "labels = truth.of(truth.keys)"),
    ),
    *planted_in(
        "protocols",
        "sslskel/evaluation/linear_parts.py",
        f"{LINEAR} {RECIPES}",
        (
            "tests on the training view",
            'training.encode(parts.test, "test", 0',
            'training.encode(parts.test, "train", 0',
        ),
    ),
)
