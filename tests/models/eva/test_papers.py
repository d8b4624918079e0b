"""Papers of published checkpoints."""

import pytest

from keras_vit.models.eva.papers import papers
from keras_vit.models.eva.presets import presets


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("", ["2303.11331"]),
        ("eva02_base_patch14_448.mim_in22k_ft_in1k", ["2303.11331"]),
        ("timm/eva02_large_patch14_clip_224.merged2b", ["2303.11331", "2303.15389"]),
        ("timm/eva_giant_patch14_336.m30m_ft_in22k_in1k", ["2211.07636"]),
        ("timm/eva_giant_patch14_224.clip_ft_in1k", ["2211.07636", "2303.15389"]),
        ("facebook/dinov3-vits16-pretrain-lvd1689m", ["2508.10104"]),
        ("timm/vit_base_patch16_dinov3.lvd1689m", ["2508.10104"]),
        ("timm/vit_pe_core_base_patch16_224.fb", ["2504.13181"]),
        ("timm/vit_base_patch16_rope_mixed_224.naver_in1k", ["2403.13298"]),
        ("timm/vit_base_patch16_lingbot.robbyant", ["2508.10104", "2607.05247"]),
        ("timm/vit_base_patch16_sapiens2.fb", ["2604.21681"]),
    ],
)
def test_a_name_tells_the_papers(name, numbers):
    assert [paper.arxiv for paper in papers(name)] == numbers


def test_every_paper_has_a_key_of_its_own():
    found = {paper.key: paper for preset in presets() for paper in papers(preset.name)}
    assert len(found) == 8
    assert len({paper.arxiv for paper in found.values()}) == 8
    assert all(paper.arxiv.startswith(str(paper.year)[2:]) for paper in found.values())
