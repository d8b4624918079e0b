"""Papers of published Swin Transformers of both versions."""

import pytest

from keras_vit import Swin, SwinV2

SWIN = "2103.14030"


@pytest.mark.parametrize(
    ("model_class", "name", "numbers"),
    [
        (Swin, "", [SWIN]),
        (Swin, "timm/swin_tiny_patch4_window7_224.ms_in1k", [SWIN]),
        (Swin, "timm/swin_s3_tiny_224.ms_in1k", [SWIN, "2111.14725"]),
        (Swin, "microsoft/swin-base-simmim-window6-192", [SWIN, "2111.09886"]),
        (SwinV2, "timm/swinv2_tiny_window8_256.ms_in1k", ["2111.09883", SWIN]),
    ],
)
def test_a_name_tells_the_papers(model_class, name, numbers):
    assert [paper.arxiv for paper in model_class.papers(name)] == numbers
