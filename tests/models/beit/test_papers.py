"""Papers of published BEiTs."""

import pytest

from keras_vit.models.beit.papers import papers

BEIT = "2106.08254"


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("", [BEIT]),
        ("timm/beit_base_patch16_224.in22k_ft_in22k", [BEIT]),
        ("timm/beitv2_base_patch16_224.in1k_ft_in1k", [BEIT, "2208.06366"]),
        ("microsoft/beit-base-patch16-224", [BEIT]),
        ("facebook/data2vec-vision-base-ft1k", [BEIT, "2202.03555"]),
        ("microsoft/dit-base-finetuned-rvlcdip", [BEIT, "2203.02378"]),
    ],
)
def test_a_name_tells_the_papers(name, numbers):
    assert [paper.arxiv for paper in papers(name)] == numbers
