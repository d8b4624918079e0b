import json

import pytest

from keras_vit.data import Augmentation
from keras_vit.training import Recipe, get_recipe


def test_a_recipe_goes_through_json():
    recipe = get_recipe("fine_tuning", layer_decay=0.6, crop=(0.5, 1.0))

    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_printing_shows_every_setting_that_does_something():
    text = str(get_recipe("deit", distillation="soft", temperature=3.0))

    assert text.startswith("recipe deit\n")
    for line in ("batch_size: 1024", "learning_rate: 0.0005", "distillation: soft", "temperature: 3.0", "mixup: 0.8"):
        assert f"  {line}\n" in text
    assert "lora_rank" not in text
    assert "translation" not in text


def test_augmentation_can_be_switched_off():
    assert Recipe(mixup=0.2, horizontal_flip=True).augmentation == Augmentation(mixup=0.2, horizontal_flip=True)
    assert Recipe(mixup=0.2, use_augmentation=False).augmentation is None
    assert Recipe().augmentation is None


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"crop": (0.9, 0.1)}, "crop needs .low, high."),
        ({"trains": "head", "distillation": "hard"}, 'distillation needs trains="all"'),
        ({"trains": "lora", "layer_decay": 0.5}, 'layer_decay needs trains="all"'),
        ({"ema": 2, "temperature": 0}, "(?s)ema needs .*temperature needs"),
    ],
)
def test_what_cannot_be_is_one_error(settings, message):
    with pytest.raises(ValueError, match=message):
        Recipe(**settings)
