import pytest

from keras_vit.training.comparison.settings import Cell, ComparisonSettings


def test_models_take_turns():
    settings = ComparisonSettings(models=("vit_ti16", "cnn"), epochs=1, seeds=(0, 1), fractions=(0.1, 1.0))

    assert [(cell.model, cell.seed, cell.fraction) for cell in settings.cells][:5] == [
        ("vit_ti16", 0, 1.0),
        ("cnn", 0, 1.0),
        ("vit_ti16", 0, 0.1),
        ("cnn", 0, 0.1),
        ("vit_ti16", 1, 1.0),
    ]


def test_settings_come_back_from_json():
    settings = ComparisonSettings(models=("cnn", "vit_ti16"), steps=9, fractions=(0.1,), changes={"weight_decay": 0.1})
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in settings.to_dict().items()}

    assert ComparisonSettings.from_dict(plain) == settings
    assert settings.reference == "vit_ti16"
    assert settings.chosen_recipe.weight_decay == 0.1


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "either epochs or steps"),
        ({"epochs": 1, "steps": 1}, "either epochs or steps"),
        ({"epochs": 1, "models": ("cnn", "applications:VGG16")}, "models needs a ViT"),
        ({"epochs": 1, "models": ("vit_ti16", "vit_ti16")}, "models needs different names"),
        ({"epochs": 1, "fractions": (0.0, 1.0)}, "fractions needs different numbers > 0"),
        ({"epochs": 1, "seeds": (-1,)}, "seeds needs different whole numbers"),
        ({"epochs": 1, "recipe": "lora"}, "recipe needs to train any model from scratch"),
    ],
)
def test_wrong_settings_are_one_clear_error(fields, message):
    with pytest.raises(ValueError, match=message):
        ComparisonSettings(**fields)


def test_models_never_share_a_file():
    names = {Cell(model, 0, 0.5).file_name for model in ("a/b", "a_b", "a:b")}

    assert len(names) == 3
    assert "a_b-seed_0-fraction_0.5.json" in names
    assert not any("/" in name for name in names)
