import numpy as np
import pytest

from keras_vit.models.input_checks import check_content


def test_images_without_content_are_told_before_training(rng):
    images = rng.normal(size=(200, 4, 4, 3)).astype("float32")
    check_content(images, "x")
    check_content(None, "x")
    check_content(np.concatenate([images, np.zeros_like(images)]), "x")  # some may be blank

    with pytest.raises(ValueError, match="something on them; got one colour throughout in each of 50 that"):
        check_content(np.broadcast_to(images[:, :1, :1], images.shape), "x")
    images[0, 1, 2, 0] = np.nan
    with pytest.raises(ValueError, match="finite images; got NaN or infinity in 1 of 50 that were looked at, of x"):
        check_content(images, "x")
