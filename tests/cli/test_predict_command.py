from tests.cli.test_commands import check_error, command, image

__all__ = ["command", "image"]


def test_predict_writes_a_table_of_a_folder(command, tiny_preset, image, tmp_path):
    out = tmp_path / "out.csv"
    options = ("--preset", tiny_preset, "--out", out, "--batch-size", 2)

    result = command("predict", image.parent, *options)

    assert result.exit_code == 0, result.output
    assert result.stdout == f"{out}: 1 images\n"
    assert result.stderr.startswith("1 of 1 images  ") or result.stderr.startswith("1 images  ")
    header, row = out.read_text().splitlines()
    assert header == "path,label,probability,error"
    assert row.startswith("seven.png,")
    check_error(command("predict", image.parent, *options), "exists. Replace it")
    check_error(command("predict", image.parent), "needs --out")
    check_error(command("predict", image, image, *options), "needs one folder; got 2 paths")
    check_error(command("predict", image, "--features"), "needs --out for --features")
    assert command("predict", image.parent, *options, "--overwrite", "--features", "-q").stderr == ""
