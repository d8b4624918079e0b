"""Multiply-accumulates of a pyramid transformer: against the paper, and counted by hand."""

import pytest

from keras_vit.models import catalogue
from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.pyramid_vit.macs import count_macs

# Table 3 of Wang et al., 2022, arXiv 2106.13797: 10^9 at 224 x 224.
PAPER = {
    "pvt_v2_b0": 0.6,
    "pvt_v2_b1": 2.1,
    "pvt_v2_b2": 4.0,
    "pvt_v2_b2_li": 3.9,
    "pvt_v2_b3": 6.9,
    "pvt_v2_b4": 10.1,
    "pvt_v2_b5": 11.8,
}
ONE_STAGE = {
    "image_size": (16, 24),
    "embed_dims": (8,),
    "depths": (1,),
    "num_heads": (2,),
    "mlp_ratios": (2.0,),
    "reduction_sizes": (2,),
    "num_classes": 3,
}
PATCHES = 24 * 7 * 7 * 3 * 8  # on a grid of 4 x 6
QUERIES = 24 * (8 * 8 + 8 * 8 + 2 * 8 * 16 + 9 * 16)  # query, projection, feed-forward part with its convolution


@pytest.mark.parametrize("name", PAPER)
def test_published_sizes_cost_what_the_paper_says(name):
    section = catalogue.our_section(catalogue.find(name).read_settings(), name)
    assert count_macs(PyramidViTConfig.from_dict(section["config"]), (224, 224)) / 1e9 == pytest.approx(
        PAPER[name], abs=0.1
    )


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, 6 * (4 * 64 + 2 * 64) + 2 * 24 * 6 * 8 + 8 * 3),  # a reduced grid of 2 x 3
        ({"reduction_sizes": (1,)}, 24 * 2 * 64 + 2 * 24 * 24 * 8 + 8 * 3),
        ({"use_pooling": True}, 49 * (64 + 2 * 64) + 2 * 24 * 49 * 8 + 8 * 3),
        ({"pooling": "none"}, 6 * (4 * 64 + 2 * 64) + 2 * 24 * 6 * 8 + 24 * 8 * 3),
    ],
    ids=str,
)
def test_every_part_is_counted(fields, expected):
    assert count_macs(PyramidViTConfig(**{**ONE_STAGE, **fields}), (16, 24)) == PATCHES + QUERIES + expected


def test_incomplete_patches_count_as_whole_ones():
    config = PyramidViTConfig(**{**ONE_STAGE, "image_size": None})
    assert count_macs(config, (13, 21)) == count_macs(config, (16, 24))
