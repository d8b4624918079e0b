"""timm's arguments: read as our config and written from it, or refused."""

import re

import pytest

from keras_vit import PyramidViTConfig
from keras_vit.models.pyramid_vit.layouts.timm_arguments import config_of, settings_of
from tests.models.pyramid_vit.configs import TINY


def test_timms_own_defaults_are_read():
    config = config_of({})
    assert (config.embed_dims, config.num_heads) == ((64, 128, 256, 512), (1, 2, 4, 8))
    assert config.replace(embed_dims=(64, 128, 320, 512), num_heads=(1, 2, 5, 8)) == PyramidViTConfig()


def test_one_number_means_all_stages():
    config = config_of({"depths": [1, 1], "embed_dims": [8, 16], "num_heads": 2, "mlp_ratios": 4, "sr_ratios": 1})
    assert (config.num_heads, config.mlp_ratios, config.reduction_sizes) == ((2, 2), (4.0, 4.0), (1, 1))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"global_pool": "max"}, "global_pool='max' makes another architecture than PyramidViT"),
        ({"norm_layer": "RmsNorm"}, "timm's argument(s) 'norm_layer' are unknown to PyramidViT"),
        ({"depths": [1, 1]}, "needs one number for each of the 2 stages"),
    ],
    ids=str,
)
def test_other_architectures_are_refused(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        config_of(arguments)


@pytest.mark.parametrize(
    ("fields", "can_build"),
    [
        ({}, True),
        ({"pooling": "none", "num_classes": 0}, True),
        ({"pooling": "none"}, False),  # timm's head fails on maps
        ({"pooling": "max"}, False),
        ({"norm_epsilon": 1e-5}, False),
        ({"embedding_norm_epsilon": 1e-6}, False),
        ({"activation": "silu"}, False),
    ],
    ids=str,
)
def test_what_timm_cannot_build_gets_a_name_that_it_refuses(fields, can_build):
    settings = settings_of(PyramidViTConfig(**{**TINY, **fields}))
    assert (settings["architecture"] == "pvt_v2_b2") == can_build
    assert settings["num_features"] == 12
