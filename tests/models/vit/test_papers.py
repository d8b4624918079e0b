"""Papers of published checkpoints."""

import re

import pytest

from keras_vit.models.vit.papers import papers
from keras_vit.models.vit.presets import presets

VIT = "2010.11929"


# Numbers as the checkpoints' own cards on the Hub cite them.
@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("", [VIT]),
        ("me/my_model", [VIT]),
        ("timm/vit_base_patch16_224.augreg_in21k", [VIT, "2106.10270"]),
        ("timm/deit_base_patch16_224.fb_in1k", [VIT, "2012.12877"]),
        ("facebook/deit-base-distilled-patch16-224", [VIT, "2012.12877"]),
        ("timm/deit3_base_patch16_224.fb_in1k", [VIT, "2204.07118"]),
        ("timm/vit_small_patch16_224.dino", [VIT, "2104.14294"]),
        ("facebook/dino-vits16", [VIT, "2104.14294"]),
        ("timm/vit_base_patch14_dinov2.lvd142m", [VIT, "2304.07193"]),
        ("timm/vit_base_patch14_reg4_dinov2.lvd142m", [VIT, "2304.07193", "2309.16588"]),
        ("facebook/dinov2-with-registers-base", [VIT, "2304.07193", "2309.16588"]),
        ("facebook/vit-mae-base", [VIT, "2111.06377"]),
        ("timm/vit_base_patch16_clip_224.openai", [VIT, "2103.00020"]),
        ("timm/vit_base_patch16_clip_224.laion2b", [VIT, "2103.00020", "2212.07143"]),
        ("google/siglip-base-patch16-224", [VIT, "2303.15343"]),
        ("timm/vit_base_patch16_siglip_224.v2_webli", [VIT, "2303.15343", "2502.14786"]),
    ],
)
def test_a_name_tells_the_papers(name, numbers):
    assert [paper.arxiv for paper in papers(name)] == numbers


def test_every_preset_has_complete_papers_with_keys_of_their_own():
    found = {paper.key: paper for preset in presets() for paper in papers(preset.name)}
    assert len(found) > 20
    assert len({paper.arxiv for paper in found.values()}) == len(found)
    for paper in found.values():
        assert re.fullmatch(r"\d{4}\.\d{5}", paper.arxiv)
        assert paper.arxiv.startswith(str(paper.year)[2:]) or paper.arxiv.startswith("2010")
        assert re.fullmatch(r"[a-z0-9]+", paper.key)


def test_bibtex_is_an_entry_with_what_a_citation_needs():
    (paper,) = papers("")
    assert paper.bibtex == (
        "@article{dosovitskiy2020vit,\n"
        "  title = {{An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale}},\n"
        "  author = {Alexey Dosovitskiy and others},\n"
        "  year = {2020},\n"
        "  journal = {arXiv preprint arXiv:2010.11929},\n"
        "}"
    )
