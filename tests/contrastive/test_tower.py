"""A tower trains on any backbone: validity, a token, levels, tokens of all joints."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn
from toy_backbones import PLUGINS, SPEC, ClassToken, built, clips

from sslskel.api.backbone import Backbone
from sslskel.api.noise import Noise
from sslskel.config.groups import EmptyBodies, Stream
from sslskel.contrastive.tower import Tower
from sslskel.errors import UsageError


@pytest.mark.parametrize("plugin", PLUGINS)
@pytest.mark.parametrize("bodies", list(EmptyBodies))
def test_contrastive_methods_train_any_of_them(plugin: type[Backbone[Any]], bodies: EmptyBodies) -> None:
    tower = Tower(built(plugin), nn.Linear(16, 4).double(), SPEC, Stream.joint, bodies).double()
    assert tower(clips(padded=6), Noise(0)).shape == (6, 4)
    if plugin is ClassToken:
        with pytest.raises(UsageError, match="ClassToken answers with a token"):
            tower.maps(clips())
    else:
        assert tower.maps(clips()).ndim == 4
