import pytest

from keras_vit.training import describe_recipe, get_recipe, list_recipes

NAMES = ["small_data", "fine_tuning", "linear_probe", "lora", "augreg", "deit", "simple_vit_90ep"]


def test_all_recipes_are_there():
    assert list_recipes() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_recipe_says_where_it_comes_from_what_it_costs_and_what_it_gives(name):
    entry = describe_recipe(name)

    assert entry.recipe.name == name
    assert "arXiv" in entry.paper
    for text in (entry.purpose, entry.paper, entry.cost, entry.expected_result):
        assert text in str(entry)


def test_an_unknown_name_suggests_the_known_one():
    with pytest.raises(ValueError, match="did you mean 'fine_tuning'"):
        get_recipe("finetuning")


def test_settings_are_changed_by_name():
    assert get_recipe("augreg", mixup=0.0).mixup == 0.0
    with pytest.raises(ValueError, match="did you mean 'weight_decay'"):
        get_recipe("augreg", weight_decy=0.1)


@pytest.mark.parametrize("name", NAMES)
def test_digits_are_neither_mirrored_nor_cropped(name):
    recipe = get_recipe(name, data="digits")

    assert not recipe.horizontal_flip
    assert recipe.crop is None
    assert get_recipe(name, data="digits", horizontal_flip=True).horizontal_flip


@pytest.mark.parametrize(
    ("name", "published"),
    [
        # Table 9 of arXiv 2012.12877.
        ("deit", {"epochs": 300, "batch_size": 1024, "weight_decay": 0.05, "warmup_epochs": 5, "mixup": 0.8}),
        ("deit", {"learning_rate": 5e-4, "learning_rate_batch_size": 512, "cutmix": 1.0, "random_erasing": 0.25}),
        # Section 2 of arXiv 2205.01580: a decay of 1e-4 a step is 0.1 times the rate.
        ("simple_vit_90ep", {"epochs": 90, "batch_size": 1024, "learning_rate": 1e-3, "weight_decay": 0.1}),
        ("simple_vit_90ep", {"mixup": 0.2, "label_smoothing": 0.0, "gradient_clip_norm": 1.0}),
        # Section 3 of arXiv 2106.10270.
        ("augreg", {"batch_size": 4096, "learning_rate": 1e-3, "weight_decay": 0.1, "gradient_clip_norm": 1.0}),
        # FINETUNE.md of facebookresearch/mae.
        ("fine_tuning", {"learning_rate": 5e-4, "learning_rate_batch_size": 256, "weight_decay": 0.05, "mixup": 0.8}),
    ],
)
def test_settings_are_those_of_the_paper(name, published):
    assert {setting: getattr(get_recipe(name), setting) for setting in published} == published
