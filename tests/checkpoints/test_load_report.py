"""The load report reads as a short table."""

from keras_vit.checkpoints import LoadReport, LoadRow


def test_what_is_not_plainly_loaded_gets_a_line():
    rows = (
        LoadRow("norm/gamma", "norm.weight", "loaded"),
        LoadRow("positions", "pos_embed", "resampled", "(1, 196, 8) -> (1, 64, 8)"),
        LoadRow("head/kernel", "head.weight", "new", "freshly initialised"),
    )
    report = LoadReport("model.safetensors", rows, {"head.weight": "new head"})
    assert str(report).splitlines() == [
        "model.safetensors: 1 loaded, 1 resampled, 1 new, 1 in the file ignored",
        "  resampled  positions    (1, 196, 8) -> (1, 64, 8)",
        "  new        head/kernel  freshly initialised",
        "  ignored    head.weight  new head",
    ]


def test_an_empty_report_says_so():
    assert str(LoadReport("file", ())) == "file: nothing to load"
