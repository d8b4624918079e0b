import pytest

from keras_vit.training import RunSettings


def test_architecture_depends_on_the_data_unless_named():
    assert RunSettings().architecture == "vit_digits"
    assert RunSettings(data="tfds:cifar10").architecture == "vit_ti16"
    assert RunSettings(data="tfds:cifar10", preset="vit_s16").architecture == "vit_s16"


def test_settings_survive_json():
    settings = RunSettings(image_size=[16, 8], seed=3)

    assert RunSettings.from_dict(settings.to_dict()) == settings
    assert settings.image_size == (16, 8)


def test_wrong_settings_are_reported_all_at_once():
    with pytest.raises(ValueError, match=r"(?s)2 wrong.*epochs needs a whole number.*learning_rate needs a number > 0"):
        RunSettings(epochs=0, learning_rate=0)


@pytest.mark.parametrize(
    ("data", "name"),
    [("digits", "digits"), ("tfds:a/b:1.0.0", "tfds:a/b:1.0.0"), ("/somewhere/photos/", "photos"), ("../pets", "pets")],
)
def test_data_set_is_named_without_the_place_it_lies_in(data, name):
    assert RunSettings(data=data).dataset_name == name


def test_command_names_what_differs_from_the_defaults():
    assert RunSettings().command == "keras-vit train"
    settings = RunSettings(data="/somewhere/my photos", image_size=(16, 8), use_augmentation=False, strict=True, seed=1)
    assert settings.command == (
        "keras-vit train --data 'my photos' --image-size 16x8 --no-augmentation --seed 1 --strict"
    )


def test_differences_name_each_setting_with_both_values():
    lines = RunSettings(epochs=5, seed=1).differences(RunSettings(epochs=6, seed=1))

    assert lines == ["epochs: 5 asked for, 6 there"]
