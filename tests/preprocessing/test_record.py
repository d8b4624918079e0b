"""The Preprocessing record: fields, model input, round trips and range warnings."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image

from keras_vit.preprocessing import ImageError, Preprocessing

SMALL = Preprocessing(image_size=(6, 9))
IMAGENET = Preprocessing(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


@pytest.fixture
def picture(rng):
    return rng.integers(0, 256, (20, 30, 3), dtype=np.uint8)


def test_paths_images_and_arrays_give_equal_input(picture, tmp_path):
    Image.fromarray(picture).save(tmp_path / "picture.png")
    expected = SMALL(picture)
    assert expected.shape == (1, 6, 9, 3)
    assert expected.dtype == np.float32
    path = tmp_path / "picture.png"
    for image in (path, str(path), Image.fromarray(picture), picture[None], [picture], (path,)):
        np.testing.assert_array_equal(SMALL(image), expected)
    np.testing.assert_allclose(SMALL(picture / 255.0), expected, atol=1.1 * 2 / 255)
    mixed = SMALL([path, picture, Image.fromarray(picture).convert("L")])
    assert mixed.shape == (3, 6, 9, 3)
    np.testing.assert_array_equal(mixed[0], mixed[1])


def test_tensors_of_the_backend_count_as_arrays(picture):
    tensor = keras.ops.cast(keras.ops.convert_to_tensor(np.stack([picture, picture])), "float32") / 255
    with keras.device("cpu"):
        np.testing.assert_allclose(SMALL(tensor), SMALL(np.stack([picture, picture]) / 255.0), atol=1e-5)


def test_image_of_the_input_size_is_only_normalised(rng):
    record = dataclasses.replace(IMAGENET, image_size=(5, 7), crop_fraction=1.0)
    pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    expected = (pixels / 255 - np.array(IMAGENET.mean)) / np.array(IMAGENET.std)
    np.testing.assert_allclose(record(pixels)[0], expected, atol=1e-5)
    np.testing.assert_array_equal(record.resize_and_crop(pixels), pixels)
    np.testing.assert_allclose(record.normalise(pixels.astype(float)), expected, atol=1e-5)


def test_crop_modes_keep_cut_and_frame():
    # Left third black, middle grey, right third white; twice as wide as high.
    stripes = np.repeat(np.array([0, 128, 255], np.uint8), 20)[None, :, None] * np.ones((30, 1, 3), np.uint8)
    record = Preprocessing(image_size=(12, 12), crop_fraction=1.0, mean=(0.2,), interpolation="nearest")
    center = record.resize_and_crop(stripes)[6, :, 0]
    squash = dataclasses.replace(record, crop_mode="squash").resize_and_crop(stripes)[6, :, 0]
    border = dataclasses.replace(record, crop_mode="border").resize_and_crop(stripes)[..., 0]
    assert center.tolist() == [0] * 2 + [128] * 8 + [255] * 2
    assert squash.tolist() == [0] * 4 + [128] * 4 + [255] * 4
    assert (border[:3] == 51).all()  # the mean colour above and below
    assert (border[9:] == 51).all()
    assert border[6].tolist() == [0] * 4 + [128] * 4 + [255] * 4


def test_grey_and_many_channels(rng):
    grey = Preprocessing(image_size=8, num_channels=1)
    assert grey(rng.integers(0, 256, (3, 20, 20, 3), dtype=np.uint8)).shape == (3, 8, 8, 1)
    assert grey(rng.integers(0, 256, (20, 20), dtype=np.uint8)).shape == (1, 8, 8, 1)
    many = Preprocessing(image_size=8, num_channels=5)
    image = rng.integers(0, 256, (20, 24, 5), dtype=np.uint8)
    np.testing.assert_array_equal(many.resize_and_crop(image)[..., 3], grey.resize_and_crop(image[..., 3])[..., 0])


def test_sliver_is_cropped_without_filling_memory():
    pixels = Preprocessing().resize_and_crop(np.full((1, 100_000), 9, np.uint8))
    assert pixels.shape == (224, 224, 3)
    assert (pixels == 9).all()


def test_channels_first_batch_is_an_error(rng):
    with pytest.raises(ImageError, match="channels last"):
        SMALL(rng.integers(0, 256, (2, 3, 20, 20), dtype=np.uint8))


def test_empty_list_is_an_error():
    with pytest.raises(ValueError, match="at least one image"):
        SMALL([])


def test_all_wrong_fields_are_reported_at_once():
    with pytest.raises(ValueError, match="Preprocessing is wrong") as caught:
        Preprocessing(
            image_size=(0, 5),
            num_channels=0,
            crop_fraction=1.5,
            crop_mode="middle",
            interpolation="cubic",
            mean=(0.5, 0.5),
            std=(0.0,),
        )
    fields = [field.name for field in dataclasses.fields(Preprocessing)]
    assert [line.split()[1] for line in str(caught.value).splitlines()[1:]] == fields


def test_json_round_trip_is_exact():
    record = dataclasses.replace(IMAGENET, image_size=(32, 48), crop_mode="squash")
    assert Preprocessing.from_dict(json.loads(json.dumps(record.to_dict()))) == record
    assert Preprocessing(image_size=32, mean=0.5, std=[0.5]) == Preprocessing(image_size=(32, 32))
    assert hash(Preprocessing(mean=[0.1, 0.2, 0.3])) == hash(Preprocessing(mean=(0.1, 0.2, 0.3)))


def test_unknown_field_names_are_suggested():
    with pytest.raises(ValueError, match="no field 'crop_pct'; did you mean 'crop_fraction'"):
        Preprocessing.from_dict({"crop_pct": 0.9, "std": [0.5]})


@pytest.mark.parametrize("record", [Preprocessing(), IMAGENET], ids=["half", "imagenet"])
def test_plainly_wrong_ranges_are_named(record, rng):
    raw = rng.integers(0, 256, (4, 8, 8, 3))
    assert "0..255" in record.range_problem(raw.astype(np.uint8))
    assert "0..255" in record.range_problem(raw.astype("float32"))
    assert "0..1 " in record.range_problem(raw / 255)
    assert record.range_problem(record.normalise(raw)) is None


def test_doubtful_ranges_pass(rng):
    record = Preprocessing()
    for images in (
        np.zeros((2, 8, 8, 3)),
        np.ones((2, 8, 8, 3)),
        rng.normal(size=(2, 8, 8, 3)),
        rng.uniform(0.3, 1, (2, 8, 8, 3)),  # a bright picture, normalised
        np.zeros((0, 8, 8, 3)),
    ):
        assert record.range_problem(images) is None
    assert Preprocessing(mean=(0.0,), std=(1.0,)).range_problem(rng.uniform(size=(2, 8, 8, 3))) is None
    as_bytes = Preprocessing(mean=(0.0,), std=(1 / 255,))
    assert as_bytes.range_problem(rng.integers(0, 256, (2, 8, 8, 3))) is None
    assert "0..1 " in as_bytes.range_problem(rng.uniform(size=(2, 8, 8, 3)))
