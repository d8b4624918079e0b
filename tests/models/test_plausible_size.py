"""A first look at a checkpoint's size: what can be is let through, what cannot be is refused."""

import dataclasses

import pytest

from keras_vit.models import catalogue
from keras_vit.models.plausible_size import check_size, count_roughly
from keras_vit.models.source import open_source
from tests.models.goldens import FOLDER

NAMES = [entry.name for entry in catalogue.list_presets() if entry.parameters and not entry.alias_of]


@pytest.mark.parametrize("name", NAMES[::10])
def test_the_count_is_near_the_published_one(name):
    entry = catalogue.find(name)
    try:
        description = open_source(name, load_weights=False).description
    except ValueError:
        pytest.skip("no class builds it yet")
    assert 0.6 < count_roughly(description) / entry.parameters < 1.7


@pytest.mark.parametrize("name", ["timm_vit", "transformers_vit", "keras_hub_vit", "google_old.npz"])
def test_checkpoints_of_every_layout_are_let_through(name):
    check_size(open_source(FOLDER / name))


def test_settings_of_another_size_than_the_weights_are_refused():
    source = open_source(FOLDER / "timm_vit")
    config = source.description.config.replace(embed_dim=8192, depth=200)
    with pytest.raises(ValueError, match=r"about 161.1 billion weights, its files hold 131,940 bytes. Settings and"):
        check_size(dataclasses.replace(source, description=dataclasses.replace(source.description, config=config)))
