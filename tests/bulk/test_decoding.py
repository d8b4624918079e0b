"""Decoding ahead: in order, and never more than a fixed number of images at once."""

import threading

from keras_vit.bulk.decoding import decode_ahead, in_batches
from keras_vit.preprocessing import ImageError


def test_the_number_of_decoded_images_is_bounded_and_the_listing_is_not_read_ahead(tmp_path):
    lock, listed, decoded, yielded = threading.Lock(), 0, 0, 0
    most_listed = most_decoded = 0

    def names():
        nonlocal listed
        for index in range(1000):
            listed += 1
            yield f"{index:04d}.png"

    def preprocessing(path):
        nonlocal decoded, most_decoded
        with lock:
            decoded += 1
            most_decoded = max(most_decoded, decoded - yielded)
        if path.name == "0007.png":
            raise ImageError(f"Can't read image {path}: broken.")
        return [path.name]

    found = []
    for name, pixels, error in decode_ahead(names(), tmp_path, preprocessing, num_workers=3, num_ahead=10):
        most_listed = max(most_listed, listed - yielded)
        yielded += 1
        found.append(name)
        assert (pixels, error) == ((None, f"Can't read image {name}: broken.") if name == "0007.png" else (name, None))

    assert found == [f"{index:04d}.png" for index in range(1000)]
    assert most_decoded <= 11
    assert most_listed <= 11


def test_batches_are_full_but_the_last():
    assert [len(batch) for batch in in_batches(((str(index), None, None) for index in range(7)), 3)] == [3, 3, 1]
