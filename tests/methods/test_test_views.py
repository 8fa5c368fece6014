"""Methods that read clips in a way of their own, where a test clip is read more than once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sslskel.api.method import PretextMethod
from sslskel.api.view import ClipSpec, ViewSpec
from sslskel.checks.fixtures import dataset_info, make_spec, small_config
from sslskel.checks.method_case import MethodCase
from sslskel.errors import UsageError
from sslskel.plugins.registry import BACKBONES, METHODS
from sslskel.transforms.clip import Mirror
from sslskel.transforms.segments import SeededSegments

NAMES = ("ascal", "gl_transformer", "hi_trs", "ms2l", "predict_cluster")


def built(name: str, *more: ViewSpec) -> PretextMethod:
    plugin = METHODS.get(name)
    case = MethodCase(plugin, small_config(plugin.Config), BACKBONES.get(plugin.default_backbone))
    return case.build(replace(case.spec, more_test_views=more), started=False)


def usual() -> ClipSpec:
    return make_spec(dataset_info())


@pytest.mark.parametrize("name", NAMES)
def test_a_mirror_image_is_read_as_the_clip_is(name: str) -> None:
    mirrored = replace(usual().test_view, augment=(*usual().test_view.augment, Mirror()))
    for encoder in built(name, mirrored).encoders().values():
        one, [other] = encoder.spec.test_view, encoder.spec.more_test_views
        assert (other.sample, other.frames) == (one.sample, one.frames)
        assert Mirror() in other.augment
        assert tuple(augment for augment in other.augment if augment != Mirror()) == one.augment


@pytest.mark.parametrize("name", NAMES)
def test_several_readings_are_refused_where_they_would_be_one(name: str) -> None:
    second = replace(usual().test_view, sample=SeededSegments(1, 2))
    with pytest.raises(UsageError, match=rf"clip\.test_views asks for several readings .* but {name} reads the same"):
        built(name, second)
