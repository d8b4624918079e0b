import numpy as np
from PIL import Image

from keras_vit.training.evaluation import Evaluation, Mistake
from keras_vit.training.evaluation_pictures import plot_confusion, plot_mistakes


def make_evaluation(names: list[str], num_mistakes: int = 0) -> Evaluation:
    """Of each class, three images are right, and one is taken for the next class."""
    following = [*names[1:], names[0]]
    counts = {(name, name): 3 for name in names} | dict.fromkeys(zip(names, following, strict=True), 1)
    mistakes = tuple(
        Mistake(
            image=f"folder/{index}.jpg",
            true=names[index % len(names)],
            predicted=following[index % len(names)],
            probability=0.9,
            pixels=np.full((8, 6, 1 if index % 2 else 3), index / 20),
        )
        for index in range(num_mistakes)
    )
    return Evaluation(
        class_names=tuple(names),
        num_images=(4,) * len(names),
        num_correct=(3,) * len(names),
        counts=counts,
        mistakes=mistakes,
    )


def picture(path):
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def colours(pixels):
    return {tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()}


def test_matrix_grows_with_the_classes_and_shows_right_and_wrong_in_two_colours(tmp_path):
    sizes = []
    for num_classes in (3, 14):
        plot_confusion(make_evaluation([f"class {index}" for index in range(num_classes)]), tmp_path / "confusion.png")
        pixels = picture(tmp_path / "confusion.png")
        sizes.append(pixels.shape[0])
        assert any(blue > red + 60 for red, _, blue in colours(pixels))
        assert any(red > blue + 60 for red, _, blue in colours(pixels))
    assert sizes[1] > sizes[0]


def test_many_classes_become_a_list_of_pairs(tmp_path):
    plot_confusion(make_evaluation([f"class {index}" for index in range(31)]), tmp_path / "pairs.png")

    assert (0xD5, 0x5E, 0x00) in colours(picture(tmp_path / "pairs.png"))  # bars


def test_any_class_name_can_be_drawn(tmp_path):
    evaluation = make_evaluation(["$100 \\frac", "<b>犬</b>", "x" * 100], num_mistakes=3)

    plot_confusion(evaluation, tmp_path / "confusion.png")
    plot_mistakes(evaluation, tmp_path / "mistakes.png")

    assert picture(tmp_path / "mistakes.png").shape[1] > 300


def test_mistakes_are_drawn_in_rows_of_four_with_nothing_cut_off(tmp_path):
    heights = []
    for num_mistakes in (0, 2, 5):
        plot_mistakes(make_evaluation(["a", "b"], num_mistakes), tmp_path / "mistakes.png")
        pixels = picture(tmp_path / "mistakes.png")
        heights.append(pixels.shape[0])
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (edge == 255).all()
    assert heights[0] < heights[1] < heights[2]
