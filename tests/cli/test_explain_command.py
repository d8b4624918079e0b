import pytest
from PIL import Image

from tests.cli.test_commands import check_error, command, image

__all__ = ["command", "image"]


def test_explain_draws_a_picture(command, tiny_preset, image, tmp_path):
    widths = []
    for options in ((), ("--layers", "0,-1", "--heads", "all"), ("--method", "relevance", "--class", "7")):
        out = tmp_path / "out.png"
        result = command("explain", image, "--out", out, "--preset", tiny_preset, *options)
        assert result.exit_code == 0, result.output
        assert result.stdout == f"{out}\n"
        with Image.open(out) as picture:
            widths.append(picture.width)
    assert widths[1] > widths[0] == widths[2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--layers", "2"), "needs layers from 0 to 1"),
        (("--layers", "first"), "--layers needs 'all' or whole numbers, as 0,5,-1; got 'first'"),
        (("--heads", "some"), "--heads needs 'mean', 'all' or a whole number; got 'some'"),
        (("--heads", "2"), "needs heads to be 'mean', 'all' or a number from 0 to 1"),
        (("--method", "magic"), "needs method to be one of"),
        (("--method", "relevance", "--class", "10"), "needs a class from 0 to 9"),
    ],
)
def test_wrong_options_are_one_message(command, tiny_preset, image, tmp_path, options, message):
    check_error(command("explain", image, "--out", tmp_path / "out.png", "--preset", tiny_preset, *options), message)


def test_an_image_that_is_not_there_is_one_message(command, tiny_preset, tmp_path):
    result = command("explain", tmp_path / "no.png", "--out", tmp_path / "out.png", "--preset", tiny_preset)
    check_error(result, "no such file")
