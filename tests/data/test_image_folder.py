"""Folders of images: which files belong to which class and part, and what bad folders are told."""

import warnings

import numpy as np
import pytest
from PIL import Image

from keras_vit import data
from keras_vit.data import Augmentation
from keras_vit.preprocessing import ImageError, Preprocessing

RECORD = Preprocessing(image_size=8, crop_fraction=1.0)


@pytest.fixture
def save(tmp_path, rng):
    def save(*names, shade=None):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels if shade is None else np.full_like(pixels, shade)).save(path)

    return save


def load(folder, **settings):
    return data.load(folder, **{"preprocessing": RECORD, "batch_size": 4, **settings})


def labels_of(part):
    return np.concatenate([labels for _, labels in part]).argmax(-1).tolist()


def test_classes_are_the_sorted_sub_folders(save, tmp_path):
    save(*(f"{name}/{number}.png" for name in ("dog", "cat", "ant") for number in range(5)))
    save("cat/deep/er/6.JPG", ".hidden/1.png", "cat/.hidden.png", "cat/.trash/1.png")
    (tmp_path / "cat" / "notes.txt").write_text("no image")
    (tmp_path / "readme.md").write_text("no class")
    train, validation = load(tmp_path)
    assert train.class_names == validation.class_names == ("ant", "cat", "dog")
    assert train.num_images + validation.num_images == 16
    assert labels_of(validation) == [0, 1, 2]
    images, labels = train[0]
    assert images.shape == (4, 8, 8, 3)
    assert labels.shape == (4, 3)


def test_split_is_stratified_and_fixed_by_the_seed(save, tmp_path):
    save(*(f"a/{number}.png" for number in range(20)), *(f"b/{number}.png" for number in range(5)), "c/0.png")

    def first_images(seed):
        _, validation = load(tmp_path, validation_fraction=0.4, seed=seed)
        assert labels_of(validation) == [0] * 8 + [1] * 2  # the only image of a class is kept for training
        return validation[0][0]

    np.testing.assert_array_equal(first_images(1), first_images(1))
    assert not np.array_equal(first_images(1), first_images(2))


@pytest.mark.parametrize("name", ["val", "validation", "test"])
def test_parts_that_are_there_are_used(save, tmp_path, name):
    save("train/a/1.png", "train/a/2.png", "train/b/1.png", f"{name}/b/1.png", f"{name}/b/2.png")
    train, validation = load(str(tmp_path))
    assert sorted(labels_of(train)) == [0, 0, 1]
    assert labels_of(validation) == [1, 1]


def test_train_folder_alone_is_split(save, tmp_path):
    save(*(f"train/{name}/{number}.png" for name in "ab" for number in range(4)))
    train, validation = load(tmp_path, validation_fraction=0.25)
    assert (train.num_images, validation.num_images) == (6, 2)


def test_class_may_be_called_train(save, tmp_path):
    save(*(f"{name}/{number}.png" for name in ("car", "plane", "train") for number in range(3)))
    assert load(tmp_path)[0].class_names == ("car", "plane", "train")


def test_broken_files_are_left_out_with_one_warning(save, tmp_path):
    save(*(f"{name}/{number}.png" for name in "ab" for number in range(5)))
    whole = (tmp_path / "a/1.png").read_bytes()
    (tmp_path / "a/1.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "b/3.png").write_text("no image")
    with pytest.warns(UserWarning, match="2 of 10 image files .* left out") as caught:
        train, validation = load(tmp_path)
    assert len(caught) == 1
    assert caught[0].filename == __file__.replace(".pyc", ".py")
    assert str(tmp_path / "a/1.png") in str(caught[0].message)
    assert train.num_images + validation.num_images == 8
    with pytest.raises(ImageError, match="2 of 10 image files") as error:
        load(tmp_path, strict=True)
    assert "a/1.png" in str(error.value)
    assert "b/3.png" in str(error.value)


def test_sound_folder_warns_of_nothing(save, tmp_path):
    save("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(tmp_path, strict=True)


def test_class_with_only_broken_files_is_named(save, tmp_path):
    save("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    for name in ("1", "2"):
        (tmp_path / f"b/{name}.png").write_text("no image")
    with pytest.warns(UserWarning, match="2 of 4"), pytest.raises(ValueError, match="all files are broken in b"):
        load(tmp_path)


def test_crops_come_from_the_whole_picture(save, tmp_path):
    save(*(f"{name}/{number}.png" for name in "ab" for number in range(3)))
    train, _ = load(tmp_path, augmentation=Augmentation(crop=(0.3, 0.6)))
    plain, _ = load(tmp_path)
    assert train[0][0].shape == plain[0][0].shape
    assert not np.array_equal(train[0][0], plain[0][0])


def test_empty_class_folders_are_named(save, tmp_path):
    save("a/1.png", "b/1.png")
    (tmp_path / "c").mkdir()
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "1.txt").write_text("no image")
    with pytest.raises(ValueError, match=r"needs image files .*\.png.*got none in .*c, .*d\."):
        load(tmp_path)


def test_too_few_classes_are_an_error(save, tmp_path):
    with pytest.raises(ValueError, match="two classes or more; got no sub-folder"):
        load(tmp_path)
    save("only/1.png")
    with pytest.raises(ValueError, match="got only 'only'"):
        load(tmp_path)


def test_single_images_leave_nothing_to_validate_with(save, tmp_path):
    save("a/1.png", "b/1.png")
    with pytest.raises(ValueError, match="no image to validate with"):
        load(tmp_path)


def test_validation_class_unknown_in_training_is_an_error(save, tmp_path):
    save("train/a/1.png", "train/b/1.png", "val/a/1.png", "val/z/1.png")
    with pytest.raises(ValueError, match="classes that the training folder lacks: z"):
        load(tmp_path)
