import numpy as np
import pytest

from keras_vit import data
from keras_vit.data.subsets import stratified_subset

LABELS = np.repeat([0, 1, 2], (100, 40, 3))


def test_each_class_keeps_its_share_and_at_least_one_image():
    kept = stratified_subset(np.arange(143), LABELS, 0.1, seed=0)

    np.testing.assert_array_equal(np.bincount(LABELS[kept]), (10, 4, 1))
    np.testing.assert_array_equal(kept, np.unique(kept))


def test_larger_fractions_contain_smaller_ones_and_seeds_choose():
    small, large, other = (
        set(stratified_subset(np.arange(143), LABELS, fraction, seed))
        for fraction, seed in ((0.1, 1), (0.3, 1), (0.1, 2))
    )

    assert small < large
    assert small != other


def test_a_fraction_of_the_digits_is_trained_on_and_all_validate():
    pytest.importorskip("sklearn", reason="needs the extra `data`")

    train, validation = data.load("digits", train_fraction=0.1, seed=3)

    labels = np.concatenate([labels for _, labels in train]).argmax(-1)
    assert set(np.bincount(labels)) == {14, 15}  # each class has 139 to 146 images
    assert train.num_images == len(labels)
    assert validation.num_images == 360
    assert train.image_name(0).startswith("image ")


@pytest.mark.parametrize("fraction", [0, 1.1])
def test_fraction_out_of_range_is_an_error(fraction):
    with pytest.raises(ValueError, match="0 < train_fraction <= 1"):
        data.load("digits", train_fraction=fraction)


def test_images_of_a_folder_are_named_by_their_paths(tmp_path):
    from PIL import Image

    for name in ("a/1.png", "a/2.png", "b/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (4, 4), 9).save(tmp_path / name)

    _, validation = data.load(tmp_path)

    names = [validation.image_name(position) for position in range(2)]
    assert [name.removeprefix(str(tmp_path))[:3] for name in names] == ["/a/", "/b/"]
