"""Reading of images: every kind of file and array becomes upright pixels, or one clear error."""

import os
import warnings

import numpy as np
import pytest
from PIL import Image

from keras_vit.preprocessing import ImageError, load_image
from keras_vit.preprocessing.images import resize


@pytest.fixture
def colours(rng):
    """A smooth picture, 12 rows by 20 columns, so that JPEG changes it little."""
    rows, columns = np.mgrid[0:12, 0:20]
    return np.stack([rows * 20, columns * 12, 255 - rows * 10 - columns * 6], axis=-1).astype(np.uint8)


def loaded(image, num_channels=3):
    return np.asarray(load_image(image, num_channels))


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "ppm"])
def test_lossless_files_give_their_pixels(colours, tmp_path, suffix):
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(colours).save(path, **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(loaded(path), colours)
    np.testing.assert_array_equal(loaded(str(path)), colours)


# What to do with the stored pixels for each EXIF orientation, from the EXIF 2.3 standard.
UPRIGHT = {
    1: lambda stored: stored,
    2: np.fliplr,
    3: lambda stored: np.rot90(stored, 2),
    4: np.flipud,
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: np.rot90(stored, 2).swapaxes(0, 1),
    8: np.rot90,
}


@pytest.mark.parametrize("suffix", ["png", "tiff", "jpg"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(colours, tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(colours).save(path, exif=exif, quality=95)
    expected = UPRIGHT[orientation](colours).astype(int)
    assert loaded(path).shape == expected.shape
    assert np.abs(loaded(path) - expected).mean() < (6 if suffix == "jpg" else 1e-9)


def test_broken_exif_is_passed_over(colours, tmp_path):
    path = tmp_path / "image.jpg"
    Image.fromarray(colours).save(path, exif=b"Exif\x00\x00no such thing")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PIL's own
        assert loaded(path).shape == colours.shape


def test_grey_becomes_three_equal_channels(colours, tmp_path):
    Image.fromarray(colours[..., 0]).save(tmp_path / "grey.png")
    pixels = loaded(tmp_path / "grey.png")
    np.testing.assert_array_equal(pixels, np.repeat(colours[..., :1], 3, axis=-1))


def test_colour_becomes_luma(colours):
    expected = colours @ np.array([0.299, 0.587, 0.114])
    for pixels in (loaded(colours, 1), loaded(Image.fromarray(colours), 1)):
        np.testing.assert_allclose(pixels, expected, atol=1)
    np.testing.assert_allclose(loaded(colours / 255.0, 1)[..., 0], expected, atol=1e-3)


@pytest.mark.parametrize("transparency", [None, 0, bytes(range(128, 256))])
def test_palette_files_give_their_colours_without_warning(tmp_path, transparency):
    indices = np.arange(128, dtype=np.uint8).reshape(8, 16)
    palette = np.random.default_rng(0).integers(0, 256, (128, 3), dtype=np.uint8)
    image = Image.frombytes("P", (16, 8), indices.tobytes())
    image.putpalette(palette.ravel().tolist())
    image.save(tmp_path / "palette.png", **({} if transparency is None else {"transparency": transparency}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(loaded(tmp_path / "palette.png"), palette[indices])


def test_transparency_is_dropped_as_pil_does(colours, tmp_path):
    alpha = np.full((12, 20, 1), 7, np.uint8)
    Image.fromarray(np.concatenate([colours, alpha], -1)).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(loaded(tmp_path / "rgba.png"), colours)
    np.testing.assert_array_equal(loaded(np.concatenate([colours, alpha], -1)), colours)
    Image.fromarray(colours).convert("LA").save(tmp_path / "la.png")
    np.testing.assert_allclose(loaded(tmp_path / "la.png")[..., 0], loaded(colours, 1), atol=1)


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_16_bit_grey_is_scaled_not_clipped(tmp_path, suffix):
    values = np.linspace(0, 65535, 96).astype(np.uint16).reshape(8, 12)
    Image.fromarray(values).save(tmp_path / f"deep.{suffix}")
    expected = np.repeat(values[..., None] / 257, 3, axis=-1)
    np.testing.assert_allclose(loaded(tmp_path / f"deep.{suffix}"), expected, atol=1e-3)
    np.testing.assert_allclose(loaded(values), expected, atol=1e-3)


def test_float_tiff_is_read_in_0_to_1(tmp_path, rng):
    values = rng.uniform(size=(6, 5)).astype(np.float32)
    Image.fromarray(values).save(tmp_path / "float.tiff")
    np.testing.assert_allclose(loaded(tmp_path / "float.tiff", 1)[..., 0], values * 255, atol=1e-3)
    Image.fromarray(values * 900).save(tmp_path / "wrong.tiff")
    with pytest.raises(ImageError, match=r"wrong\.tiff.*0\.\.1"):
        load_image(tmp_path / "wrong.tiff")


def test_cmyk_jpeg_is_converted(tmp_path):
    colour = (200, 100, 50)
    Image.new("RGB", (16, 16), colour).convert("CMYK").save(tmp_path / "print.jpg", quality=95)
    np.testing.assert_allclose(loaded(tmp_path / "print.jpg").reshape(-1, 3).mean(0), colour, atol=4)


def test_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    assert (loaded(tmp_path / "moving.gif") == (255, 0, 0)).all()


def test_given_pil_image_stays_as_it_is(colours):
    image = Image.fromarray(colours)
    exif = image.getexif()
    exif[0x0112] = 6
    assert load_image(image).size == (12, 20)
    assert image.size == (20, 12)


def test_arrays_of_all_dtypes_agree(colours):
    expected = colours.astype(float)
    for array in (colours, colours.astype(int), colours.astype(np.uint16) * 257, colours / 255.0):
        np.testing.assert_allclose(loaded(array), expected, atol=1e-3)


def test_arrays_with_other_numbers_of_channels_pass(rng):
    array = rng.integers(0, 256, (6, 7, 5), dtype=np.uint8)
    np.testing.assert_array_equal(loaded(array, 5), array)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.full((4, 4, 3), 200.0), "0..1; got 200..200. Divide them by 255"),
        (np.full((4, 4, 3), -1.5), "normalised already"),
        (np.full((4, 4, 3), np.nan), "0..1"),
        (np.full((4, 4, 3), 300), "0..255"),
        (np.zeros((4, 4, 3), bool), "dtype; got bool"),
        (np.zeros((3, 4, 5), np.uint8), "channels last; got shape"),
        (np.zeros((8, 28, 28), np.uint8), "channel axis"),
        (np.zeros((0, 4, 3), np.uint8), "got shape"),
        (np.zeros(5, np.uint8), "got shape"),
    ],
)
def test_wrong_arrays_are_named(array, message):
    with pytest.raises(ImageError, match=message.replace(".", r"\.")):
        load_image(array)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tiff", "webp", "gif", "bmp"])
def test_truncated_file_is_named(tmp_path, rng, suffix):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[: os.path.getsize(path) // 2])
    with pytest.raises(ImageError, match=rf"Can't read image .*cut\.{suffix}"):
        load_image(path)


def test_unreadable_files_are_named(tmp_path):
    (tmp_path / "text.jpg").write_text("not an image")
    (tmp_path / "empty.png").touch()
    for name in ("text.jpg", "empty.png", "missing.jpg", "."):
        with pytest.raises(ImageError, match="Can't read image") as caught:
            load_image(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_files_need_1_or_3_channels(tmp_path, colours):
    Image.fromarray(colours).save(tmp_path / "image.png")
    with pytest.raises(ImageError, match=r"num_channels=5.*image\.png"):
        load_image(tmp_path / "image.png", 5)


def test_float_resize_equals_8_bit_resize(colours):
    for interpolation in ("bicubic", "lanczos", "bilinear"):
        floats = resize(load_image(colours / 255.0), (9, 31), interpolation)
        assert floats.dtype == np.float32
        assert floats.min() >= 0
        assert floats.max() <= 255
        np.testing.assert_allclose(floats, resize(load_image(colours), (9, 31), interpolation), atol=1.1)
