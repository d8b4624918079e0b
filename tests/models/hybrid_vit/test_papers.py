"""The papers behind hybrids."""

import pytest

from keras_vit.models.hybrid_vit.papers import papers


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("", ["2010.11929", "1912.11370"]),
        ("timm/vit_small_r26_s32_224.augreg_in21k", ["2010.11929", "2106.10270", "1912.11370"]),
        ("vit_base_mci_224.apple_mclip", ["2010.11929", "2311.17049"]),
        ("apple/mobileclip_b_timm", ["2010.11929", "2311.17049"]),
        ("vit_base_mci_224.apple_mclip2_dfndr2b", ["2010.11929", "2311.17049", "2508.20691"]),
    ],
)
def test_papers_are_told_from_the_name(name, numbers):
    assert [paper.arxiv for paper in papers(name)] == numbers
