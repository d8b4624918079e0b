"""Class names of ImageNet: the right ones at the right index."""

import pytest

from keras_vit.models import labels


# Indices as in ImageNet's own list of synsets (ILSVRC2012), which everyone's 1000 logits follow.
@pytest.mark.parametrize(
    ("index", "name"),
    [
        (0, "tench, Tinca tinca"),
        (1, "goldfish, Carassius auratus"),
        (207, "golden retriever"),
        (281, "tabby, tabby cat"),
        (388, "giant panda, panda, panda bear, coon bear, Ailuropoda melanoleuca"),
        (850, "teddy, teddy bear"),
        (999, "toilet tissue, toilet paper, bathroom tissue"),
    ],
)
def test_imagenet_1k_is_in_the_order_of_the_challenge(index, name):
    assert labels.class_names("imagenet-1k")[index] == name


@pytest.mark.parametrize(("dataset", "size"), labels.NUM_CLASSES.items())
def test_every_class_has_a_name(dataset, size):
    names = labels.class_names(dataset)
    assert len(names) == size
    assert all(name == name.strip() and name for name in names)


def test_googles_21k_begins_with_the_synsets_of_the_lowest_wordnet_ids():
    # n00004475, n00005787, n00006024
    assert labels.class_names("imagenet-21k")[:3] == ("organism, being", "benthos", "heterotroph")


def test_names_are_read_once():
    assert labels.class_names("imagenet-12k") is labels.class_names("imagenet-12k")


def test_an_unknown_label_set_is_refused():
    with pytest.raises(ValueError, match="known label set; got dataset='imagenet'. Choose from imagenet-1k, "):
        labels.class_names("imagenet")


def test_the_table_is_small():
    assert labels.SYNSETS_FILE.stat().st_size < 1_000_000
