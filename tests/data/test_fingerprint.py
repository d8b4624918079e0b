import numpy as np

from keras_vit.data.fingerprint import fact_differences, image_facts


def facts(folder, names=("cat", "dog")):
    files = sorted(folder.glob("*/*.png"))
    return {"train": image_facts(files, np.array([names.index(file.parent.name) for file in files]), names)}


def test_each_change_of_a_folder_is_one_line_and_its_place_does_not_matter(tmp_path):
    for name in ("cat/0.png", "cat/1.png", "dog/0.png"):
        (tmp_path / "a" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "a" / name).write_bytes(b"1234")
    before = facts(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert fact_differences(facts(tmp_path / "b"), before) == []

    (tmp_path / "b" / "cat" / "1.png").unlink()
    (tmp_path / "b" / "dog" / "0.png").write_bytes(b"12345")

    assert fact_differences(facts(tmp_path / "b"), before) == [
        "train: number of images of 'cat': 1 now, 2 at the start",
        "train: images of 'dog': other names or sizes than at the start",
    ]


def test_arrays_count_by_their_numbers(rng):
    images = list(rng.integers(256, size=(4, 2, 2)).astype("uint8"))
    labels = np.array([0, 0, 1, 1])
    before = image_facts(images, labels, ("0", "1"))
    images[3] = images[3] + 1

    assert fact_differences(image_facts(images, labels, ("0", "1")), before) == [
        "images of '1': other names or sizes than at the start"
    ]
