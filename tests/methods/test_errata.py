"""Every erratum shows what it says, by numbers; the page of errata is what the entries say now."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sslskel.errors import UsageError
from sslskel.plugins.errata import errata_names, errata_of
from sslskel.plugins.registry import METHODS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "errata.md").read_text(encoding="utf-8")
HINT = "run `PYTHONPATH=. python scripts/pages/errata.py` and commit docs/errata.md"


class Numbers:
    """What a demonstration showed, found by words of it."""

    def __init__(self, shown: Mapping[str, float | str]) -> None:
        self.shown = shown

    def __call__(self, *words: str) -> float:
        """The one number whose words hold all of these."""
        [value] = [value for said, value in self.shown.items() if all(word in said for word in words)]
        assert isinstance(value, float | int)
        return float(value)


Claim = Callable[[Numbers], bool]
CLAIMS: dict[str, Claim] = {
    "ascal/labels": lambda n: (
        n("labels of stage 1,") == 8
        and n("labels of stage 2,") == 800
        and n("accuracy", "stage 2") > n("accuracy", "stage 1") + 5
    ),
    "ascal/products": lambda n: (
        n("shortest, as released") > 1.05
        and n("shortest, method.unit") == pytest.approx(1, abs=1e-5)
        and abs(n("loss, products") - n("loss, cosines")) > 1e-3
    ),
    "ascal/first_epoch": lambda n: (
        n("rows of the queue") == n("clips") and n("in epoch 1") == 0 and n("in epoch 2") > 0
    ),
    "ms2l/evaluation": lambda n: n("before training") == 0 and n("were trained") > 1e-3,
    "ms2l/visible": lambda n: (
        n("motion term") == pytest.approx(n("mean square of all"), rel=1e-5)
        and n("sees") > n("hidden") > 0
        and n("behind") > n("hidden")
    ),
    "ms2l/itself": lambda n: n("as its own negative") > 0.3 and n("as released") > n("without the clip") + 0.01,
    "predict_cluster/decoder": lambda n: all(
        n("weight", kind, "released") > 1e-3
        and n("weight", kind, "paper") == 0
        and n("loss", kind, "released") != n("loss", kind, "paper")
        for kind in ("tensorflow", "pytorch")
    ),
    "predict_cluster/mirror": lambda n: (
        n("determinant as released") == pytest.approx(-1, abs=1e-4)
        and n("determinant as a rotation") == pytest.approx(1, abs=1e-4)
        and abs(n("loss", "mirrored") - n("loss", "rotation")) > 0.01
    ),
    "predict_cluster/padding": lambda n: (
        n("8 frames, tensorflow") == pytest.approx(n("16 frames, tensorflow"), rel=1e-5)
        and n("16 frames, pytorch") > n("8 frames, pytorch") + 1
    ),
    "predict_cluster/direction": lambda n: n("paper's release") > 1e-3 and n("the port") == 0,
    "predict_cluster/rate": lambda n: n("were it stepped") < 0.7 * n("as released"),
    "predict_cluster/first_frame": lambda n: (
        n("compared", "tensorflow") == 4
        and n("error", "tensorflow") > 0
        and n("compared", "pytorch") == 5
        and n("error", "pytorch") == 0
    ),
    "predict_cluster/stride": lambda n: n("of 99") == 50 and n("of 149") == 99 and n("of 300") == 295,
    "predict_cluster/best": lambda n: n("highest") > n("last step") and n("before training") > 70,
    "gl_transformer/interval": lambda n: (
        n("intervals", "released") == pytest.approx(1)
        and n("intervals", "paper") == pytest.approx(3)
        and abs(n("loss", "released") - n("loss", "paper")) > 1e-3
    ),
    "gl_transformer/gap": lambda n: n("released") == 9 and n("paper") == 12,
    "gl_transformer/dropout": lambda n: n("in train mode") > 0.5 * n("standard deviation") and n("in eval mode") == 0,
    "gl_transformer/epochs": lambda n: n("as released") == 1000 and n("here") == 0,
    "gl_transformer/turning": lambda n: n("turn of its direction") > 45,
    "hi_trs/lists": lambda n: n("share of the list") > 1.04 and n("clips of 420") < 42,
    "hi_trs/one_gpu": lambda n: n("two GPUs") == 2 and n.shown["the loss of one GPU"] == "TypeError",
    "hi_trs/short": lambda n: (
        n("lengths", "windows of 7") == 0
        and n("features", "windows of 7") == 0
        and n("lengths", "windows of 5") > 0
        and n("features", "windows of 5") > 1e-4
    ),
    "pcm3/prompts": lambda n: (
        n("replaced", "released") == 5
        and n("term", "released") < 1e-10
        and n("replaced", "paper") > 0
        and n("term", "paper") > 1e-3
    ),
    "pcm3/resize": lambda n: (
        n("segment of 28 from") == 0 and n("speed of a segment of 28") == 2 and n("speed of a segment of 44") < 1.5
    ),
    "pcm3/partner": lambda n: n("could be") == 7 and n("that are") == 6 and n("before it") == 0,
    "pcm3/distillation": lambda n: n("released") == 0 and n("paper") == 4,
    "aimclr/key": lambda n: n("released") > 0.01 and n("paper") == 0,
    "aimclr/blur": lambda n: n("largest", "released") > 4.5 and n("largest", "paper") == pytest.approx(1, abs=1e-5),
    "aimclr/moments": lambda n: (
        n("dropped whole") == 0
        and n("lose some") > 0
        and n("values of 2,400") > 0
        and abs(n("single values") - n("whole frames")) > 1e-3
    ),
    "aimclr/threshold": lambda n: abs(n("normal") - n("uniform")) > 5 and n("300 apart") > 99,
    "skeletonclr/key": lambda n: (
        n("difference", "released") > 0.01
        and n("difference", "paper") == 0
        and n("loss", "released") != n("loss", "paper")
    ),
    "crossclr/keys": lambda n: (
        n("joint", "released") == 0
        and n("bone", "released") == 0
        and n("motion", "released") > 0
        and all(n(stream, "paper") > 0 for stream in ("joint", "motion", "bone"))
    ),
    "crossclr/heads": lambda n: (
        n("in common", "released") == n("joint's head, method.fidelity=released") > n("in common", "paper")
    ),
    "crossclr/steps": lambda n: (
        n("released") == pytest.approx(3, abs=0.02) and n("paper") == pytest.approx(1, abs=0.02)
    ),
    "cmd/direction": lambda n: n("gru_stepped") == 0 and n("bigru") > 1e-3,
    "pstl/batch": lambda n: n("released") == 0 and n("paper") > 0.01,
    "pstl/twice": lambda n: n("mean of 1000") < 8 and n("fewest") < n("most"),
    "unik/heads": lambda n: all(
        n("block 1", f"heads={count}") == 3 and n("block 2", f"heads={count}") == count for count in (2, 4, 8)
    ),
    "unik/frozen": lambda n: (
        n("weight", "eval") == n("weight", "train") == n("feature", "eval") == 0 and n("feature", "train") > 1e-3
    ),
    "hyperformer/groups": lambda n: list(n.shown.values())[:2] == ["head 1: 24, head 2: 12", "head 2: 12, head 3: 24"],
    "hyperformer/hops": lambda n: n("as released") == 11 and n("by the layout") == 12,
    "skateformer/bias": lambda n: (
        n("one frame", "released") > 1
        and n("one frame", "paper") == 1
        and n("one joint", "released") == 1
        and n("one joint", "paper") == 15
        and n("feature") > 1e-3
    ),
    "skateformer/scale": lambda n: n("as released") == 0.5 and n("by the width") == pytest.approx(0.577, abs=1e-3),
    "sttformer/tuples": lambda n: n("with the convolution") > 1e-3 and n("set to 0") < 1e-4,
    "infogcn/table": lambda n: n("change of an output") < 1e-11 and n("gradient") < 1e-12 and n("largest output") > 1,
    "infogcn/single": lambda n: list(n.shown.values()) == ["torch.float64 comes out", "RuntimeError"],
    "infogcn/zeros": lambda n: n("k=0") == 0 and n("k=1") > 0 and n("k=8") > 0,
    "infogcn/means": lambda n: len(n.shown) == 2 and max(map(float, n.shown.values())) < 1e-9,
    "posec3d/flip": lambda n: n("in training") == n("in test") + 1,
    "mamp/kept": lambda n: n("that stay") == 74 and n("is hidden") > 90.1,
    "mamp/intensity": lambda n: (
        n("as released", "in metres") == pytest.approx(n("as released", "centimetres"), rel=1e-3)
        and n("as released", "in metres") < 3.5
        and n("paper's", "centimetres") > 10 * n("paper's", "in metres")
    ),
    "mamp/padding": lambda n: (
        n("last frame, as released") == n("first frame, as the paper") == 0
        and min(n("first frame, as released"), n("last frame, as the paper")) > 0
    ),
    "mamp/decoder": lambda n: (
        n("3 blocks") == pytest.approx(8.79, abs=0.01) and n("5 blocks") == pytest.approx(10.37, abs=0.01)
    ),
    "mamp/union": lambda n: (
        n("clips at 1%, two") == 794 and n("clips at 10%, two") == 7584 and n("clips at 1%, one") == 400
    ),
    "mamp/runs": lambda n: n("seed 0") == 400 and n("a draw for each") > 1900,
    "mamp/best": lambda n: n("highest") > n("last epoch") + 0.5,
    "mamp/zero": lambda n: n("as released") == 11 and n("here") == 12,
    "mamp/crop": lambda n: n("first frame of 100, as the paper") == n("first frame of 100, as released") + 2,
    "mamp/copied": lambda n: n("change of the feature") > 0.1 * n("standard deviation"),
    "st_gcn/partition": lambda n: (
        [n(word, "released") for word in ("itself", "second", "third")] == [25, 40, 8]
        and n("second", "paper") == n("third", "paper") == 24
        and n("feature") > 1e-3
    ),
    "nw_ucla/copies": lambda n: n("all 464") > n("no copies") + 15 and n("no copies") < 15,
    "actclr/actionlets": lambda n: (
        n("vectors") > 1e-3 and n("1 x 1") < 1e-12 and abs(n("loss", "released") - n("loss", "head")) > 1e-3
    ),
    "actclr/squares": lambda n: (
        n("cosine 0.9", "as they are") > 90
        and n("cosine -0.9", "as they are") < 1
        and n("cosine 0.9", "squared") == pytest.approx(n("cosine -0.9", "squared"))
    ),
    "slim/limbs": lambda n: (
        n("that move", "released") == n("spine's top", "released") == 14 and n("that move", "paper") == 0
    ),
    "slim/heads": lambda n: n("that chose it") > n("52 heads") + 0.5 and n("other clips") < n("that chose it"),
    "skeleton2vec/scramble": lambda n: (
        n("segments", "released") == 3
        and n("segments", "paper") == 30
        and n("own segment", "released") < 10
        and n("own segment", "paper") == 60
    ),
    "skeleton2vec/positions": lambda n: (
        n("in time", "released") == 0 and min(n("in time", "paper"), n("joints", "released"), n("joints", "paper")) > 0
    ),
    "skeleton2vec/persons": lambda n: n("released") == 2 and n("paper") == 0,
    "macdiff/constants": lambda n: (
        n("mean of z", "NTU") > 9 and n("mean of z", "PKU-MMD II") == 0 and n("deviation of z", "NTU") > 9
    ),
    "usdrl/frames": lambda n: n("bound 0.1") > 95 and n("bound 0.5") == 50,
    "aimclr/subset": lambda n: (
        n("of 50", "as released") == n("of 18", "as released") == 0
        and n("of 50", "rounded up") == 1
        and n("of 150", "as released") == n("of 150", "rounded up") == 2
    ),
    "hiclr/edges": lambda n: n("passes") == 3 and n("fewest") == n("entries of the graph") > 0,
    "hiclr/key": lambda n: (
        n("difference", "released") > 0.01
        and n("difference", "paper") == 0
        and n("contrast", "released") != n("contrast", "paper")
    ),
    "macdiff/crops": lambda n: n("as released") > 25 and n("here") == 0,
    "skateformer/exchange": lambda n: n.shown["numpy.int"] == "there is no such name",
    "stars/term": lambda n: (
        n("released", "norm") < 0.7 * n("paper", "norm")
        and n("difference of the") < 1e-12
        and n("both terms") != n("slope, as released")
    ),
    "stars/decay": lambda n: n("none is passed") == 0.01,
}
"""By entry: what its numbers must be."""
LONG = {"aimclr/key", "crossclr/heads", "crossclr/steps", "mamp/decoder", "predict_cluster/best", "unik/frozen"}
"""Entries that train, build much, or have a quick one of their kind."""


def names() -> list[str]:
    """All entries."""
    return [f"{system}/{entry.name}" for system in errata_names() for entry in errata_of(system).entries]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.long] if name in LONG else []) for name in names()]
)
def test_a_demonstration_shows_what_its_entry_says(name: str) -> None:
    [entry] = errata_of(name).entries
    shown = entry.demonstrate()
    assert CLAIMS[name](Numbers(shown)), shown
    lines = PAGE.partition(f"\n### {name}\n")[2].partition("\n##")[0]
    printed = next(line for line in lines.splitlines() if line.startswith("- **Shown.** "))
    for words, value in shown.items():
        number = printed.partition(f"{words}: ")[2].split(";")[0].rstrip(".")
        if isinstance(value, str):
            assert number == value.split(";")[0].rstrip("."), HINT
        else:
            assert float(number) == pytest.approx(value, rel=0.02, abs=1e-9), f"{words}: {HINT}"


def test_every_entry_is_shown_and_says_all_that_one_says() -> None:
    assert sorted(CLAIMS) == sorted(names())
    for system in errata_names():
        errata = errata_of(system)
        assert len(errata.dated) == 10
        assert errata.title.endswith(")") or not errata.code
        for entry in errata.entries:
            for text in (entry.what, entry.evidence, entry.numbers, entry.here):
                assert not text[0].islower()
                assert text.endswith("."), text


def test_the_page_is_up_to_date() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "pages" / "errata.py"))
    kept = [line for line in PAGE.splitlines() if not line.startswith(script["SHOWN"])]
    assert kept == script["page"](shown=False).splitlines(), HINT


BESIDE = {"isc": "cmd", "stars_tuning": "stars"}
"""Methods whose departures are among the entries of another system."""


def test_methods_whose_cards_name_departures_have_errata() -> None:
    systems = set(errata_names())
    parting = {name for name, method in METHODS.built_in() if method.card.departures}
    assert {BESIDE.get(name, name) for name in parting} <= systems


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("asacl", "there are no errata of 'asacl'; did you mean 'ascal'"),
        ("raw_features", "no errata are known of 'raw_features' (`sslskel errata` lists those of all systems)"),
        ("ascal/label", "'ascal' has no entry 'label'; did you mean 'labels'"),
    ],
)
def test_an_unknown_name_is_refused_with_what_there_is(name: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        errata_of(name)
    assert says in str(caught.value)
