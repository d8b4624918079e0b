"""Configs: every wrong field in one error, JSON and back."""

import json

import numpy as np
import pytest

from keras_vit import ViTConfig
from keras_vit.models.config import ConfigError


def problems(**fields):
    with pytest.raises(ConfigError) as error:
        ViTConfig.from_dict(fields)
    assert str(error.value).splitlines()[0] == f"ViTConfig has {len(error.value.problems)} wrong field(s):"
    assert all(f"- {problem}" in str(error.value) for problem in error.value.problems)
    return error.value.problems


def test_the_defaults_are_vit_b16():
    config = ViTConfig()
    assert (config.embed_dim, config.depth, config.num_heads, config.patch_size) == (768, 12, 12, (16, 16))
    assert (config.mlp_dim, config.grid_size, config.num_prefix_tokens) == (3072, (14, 14), 1)


def test_all_wrong_fields_are_named_at_once_with_their_ranges():
    assert problems(
        image_size=0,
        in_channels="3",
        depth=2.5,
        mlp_ratio=0,
        dropout_rate=1,
        pooling="avg",
        order="sandwich",
        norm="batch_norm",
        drop_remainder=0,
        use_class_token=1,
        norm_epsilon=float("nan"),
        layer_scale_init=-1,
    ) == [
        "image_size needs one or two whole numbers from 1 to 16384 or None; got (0, 0)",
        "in_channels needs a whole number from 1 to 16384; got '3'",
        "drop_remainder needs True or False; got 0",
        "depth needs a whole number from 1 to 200; got 2.5",
        "mlp_ratio needs a number > 0 and <= 64; got 0.0",
        "order needs one of ('pre_norm', 'post_norm', 'parallel'); got 'sandwich'",
        "use_class_token needs True or False; got 1",
        "layer_scale_init needs a number > 0 and <= 10 or None; got -1.0",
        "norm needs one of ('layer_norm', 'rms_norm'); got 'batch_norm'",
        "norm_epsilon needs a number > 0 and <= 0.1; got nan",
        "dropout_rate needs a number >= 0 and < 1; got 1.0",
        "pooling needs one of ('token', 'mean', 'max', 'token_mean', 'attention', 'none'); got 'avg'",
    ]


def test_unknown_fields_are_named_with_the_known_one():
    found = problems(num_head=4, hidden=3, depth=0)
    assert found[0] == "'num_head' is not a field; did you mean 'num_heads'?"
    assert found[1].startswith("'hidden' is not a field; ")
    assert found[2] == "depth needs a whole number from 1 to 200; got 0"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"num_heads": 5}, "num_heads needs to divide embed_dim=768; got 5"),
        ({"image_size": (224, 230)}, "image_size needs to be a multiple of patch_size=(16, 16); got (224, 230)"),
        ({"image_size": 8}, "image_size needs to be at least patch_size=(16, 16); got (8, 8)"),
        ({"image_size": (8, 230), "pad": True}, "image_size needs to be at least patch_size=(16, 16); got (8, 230)"),
        ({"embed_dim": 6, "num_heads": 2, "positional_encoding": "sincos"}, "embed_dim needs to be a multiple of 4"),
        ({"image_size": (15, 230), "drop_remainder": True}, "image_size needs to be at least patch_size=(16, 16)"),
        ({"pad": True, "drop_remainder": True}, "pad=True needs drop_remainder=False"),
        ({"use_class_token": False}, "pooling='token' needs use_class_token=True"),
        ({"use_class_token": False, "pooling": "token_mean"}, "pooling='token_mean' needs use_class_token=True"),
        ({"order": "post_norm", "layer_scale_init": 0.1}, "layer_scale_init needs to be None for order='post_norm'"),
        ({"use_distillation_token": True, "pooling": "mean"}, "use_distillation_token=True needs pooling='token'"),
        ({"use_distillation_token": True, "pre_logits_dim": 4}, "use_distillation_token=True needs pooling='token'"),
        ({"use_head_norm": True, "use_final_norm": False}, "use_head_norm=True needs use_final_norm=True"),
        ({"embed_dim": 12, "mlp_ratio": 0.01}, "mlp_ratio needs to leave at least one channel"),
    ],
    ids=str,
)
def test_fields_that_contradict_each_other_are_named(fields, message):
    assert any(problem.startswith(message) for problem in problems(**fields))


def test_several_contradictions_are_named_at_once():
    assert len(problems(num_heads=5, use_class_token=False, image_size=8)) == 3


@pytest.mark.parametrize("value", [True, (2, True), (2, 2, 2), (2.0, 2), "2", np.nan])
def test_what_is_no_size_is_refused(value):
    assert "image_size needs one or two whole numbers" in problems(image_size=value)[0]


def test_sizes_become_plain_pairs():
    assert ViTConfig(image_size=32, patch_size=[8, 4]).patch_size == (8, 4)
    assert ViTConfig(image_size=np.int64(32)).image_size == (32, 32)
    assert type(ViTConfig(depth=np.int32(3)).depth) is int
    assert type(ViTConfig(dropout_rate=np.float32(0.5)).dropout_rate) is float


def test_json_and_back_is_the_same_config():
    config = ViTConfig(image_size=(32, 48), patch_size=8, layer_scale_init=0.1, position_grid=(4, 6), pooling="mean")
    assert ViTConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert hash(config) == hash(config.replace())


def test_replacing_checks_the_new_values():
    assert ViTConfig().replace(depth=3).depth == 3
    with pytest.raises(ConfigError, match="depth needs"):
        ViTConfig().replace(depth=0)
    with pytest.raises(ConfigError, match="'dept' is not a field; did you mean 'depth'"):
        ViTConfig().replace(dept=3)


@pytest.mark.parametrize(
    ("fields", "grid"),
    [
        ({"image_size": (32, 48), "patch_size": (16, 8)}, (2, 6)),
        ({"image_size": (33, 47), "patch_size": 16, "pad": True}, (3, 3)),
        ({"image_size": 384, "patch_size": 14, "drop_remainder": True}, (27, 27)),
        ({"image_size": (33, 47), "patch_size": (16, 8), "drop_remainder": True}, (2, 5)),
        ({"image_size": None, "patch_size": 15, "drop_remainder": True}, (14, 14)),
        ({"image_size": None, "patch_size": 32}, (7, 7)),
        ({"image_size": None, "patch_size": 14}, (16, 16)),
        ({"image_size": (32, 48), "position_grid": (5, 4)}, (5, 4)),
    ],
    ids=str,
)
def test_the_grid_is_that_of_the_image_unless_given(fields, grid):
    assert ViTConfig(**fields).grid_size == grid


def test_a_config_cannot_be_changed():
    with pytest.raises(AttributeError):
        ViTConfig().depth = 3
