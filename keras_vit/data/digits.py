"""The digits of scikit-learn: 1797 real scans of handwritten digits that need no download."""

import numpy as np

from keras_vit.data.batches import ImageBatches, ImageSource
from keras_vit.data.settings import LoadSettings
from keras_vit.preprocessing import Preprocessing

# The images as they are: 8 x 8 grey pixels, from -1 to 1.
DIGITS_PREPROCESSING = Preprocessing(
    image_size=(8, 8), num_channels=1, crop_fraction=1.0, interpolation="bilinear", mean=(0.5,), std=(0.5,)
)

VALIDATION_FRACTION = 0.2
SPLIT_SEED = 0


def load_digits(settings: LoadSettings) -> tuple[ImageBatches, ImageBatches]:
    """Returns (train, validation) of 1437 and 360 images; the split never changes, so that accuracies compare.

    Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998, doi 10.24432/C50P49 (its
    test part), as `sklearn.datasets.load_digits` has it.
    """
    try:
        from sklearn import datasets, model_selection
    except ImportError as error:
        raise ImportError("The digits data set needs an extra: pip install 'keras3-vit[data]'") from error
    digits = datasets.load_digits()
    # Ink has 17 levels, 0..16.
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)
    source = ImageSource(
        list(images),
        digits.target,
        tuple(map(str, digits.target_names)),
        settings.preprocessing or DIGITS_PREPROCESSING,
    )
    train, validation = model_selection.train_test_split(
        np.arange(len(images)), test_size=VALIDATION_FRACTION, random_state=SPLIT_SEED, stratify=digits.target
    )
    return source.split(np.sort(train), np.sort(validation), settings, num_workers=1)
