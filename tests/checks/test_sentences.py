"""Sentences that once misled: they name the cause and the way out."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from faulty_methods import CountsSlots, Unlearnable
from sound_method import Sound, failed

from sslskel.checks import check_method
from sslskel.encoders.released import load_released
from sslskel.errors import CheckpointError


@pytest.mark.long
def test_a_loss_that_stays_names_rate_and_optimiser_and_the_way_out() -> None:
    sentence = failed(check_method(Unlearnable, only=["loss_falls"]))["loss_falls"]
    for word in ("rates", "AdamW", "optimiser", "expected_failed_checks"):
        assert word in sentence


def test_missing_persons_that_matter_name_the_option_that_leaves_them_out() -> None:
    check = "missing_persons_do_not_matter"
    sentence = failed(check_method(CountsSlots, only=[check]))[check]
    assert 'empty_bodies="present"' in sentence
    assert "expected_failed_checks" in sentence


def test_a_refused_file_says_which_ones_can_be_read(tmp_path: Path) -> None:
    for number, content in enumerate(({"weight": torch.zeros(3)}, [torch.zeros(3)])):
        path = tmp_path / f"{number}.pth"
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=r"MAMP code and of STARS.*--encoder"):
            load_released(path)


@pytest.mark.parametrize(("backbone", "option"), [("st_gcn", "dropout"), ("transformer", "drop_path")])
def test_a_backbone_that_needs_noise_is_named(backbone: str, option: str) -> None:
    options = [f"backbone.{option}=0.5"]
    results = check_method(Sound, backbone=backbone, overrides=options, only=["loss_is_finite"])
    sentence = failed(results)["loss_is_finite"]
    assert f"'backbone', a {'StGcn' if backbone == 'st_gcn' else 'Transformer'}" in sentence
    assert f"backbone.{option}" in sentence
    assert "self.backbone.bind(noise.on(batch))" in sentence
