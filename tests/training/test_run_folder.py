import pytest

from keras_vit.training import RunFolder, RunSettings


@pytest.fixture
def started(tmp_path) -> RunFolder:
    """The folder of a run that was started with 5 epochs and has not finished."""
    folder = RunFolder(tmp_path / "run")
    folder.start(RunSettings(epochs=5))
    return folder


def test_existing_run_is_not_replaced_unasked(started):
    with pytest.raises(ValueError, match=r"already holds a training run.*--resume.*--overwrite.*--out"):
        started.check_new(overwrite=False)
    started.check_new(overwrite=True)


@pytest.mark.parametrize("overwrite", [False, True])
def test_folder_of_something_else_is_never_used(tmp_path, overwrite):
    (tmp_path / "thesis.tex").write_text("...")

    with pytest.raises(ValueError, match="holds files that are no training run"):
        RunFolder(tmp_path).check_new(overwrite=overwrite)


def test_empty_and_missing_folders_can_be_used(tmp_path):
    RunFolder(tmp_path).check_new(overwrite=False)
    RunFolder(tmp_path / "a" / "b").check_new(overwrite=False)
    assert not (tmp_path / "a").exists()


def test_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(OSError, match=r"may write to; .*file/run"):
        RunFolder(tmp_path / "file" / "run").check_new(overwrite=False)


def test_resuming_lists_every_setting_that_differs(started):
    with pytest.raises(ValueError, match=r"(?s)- epochs: 6 asked for, 5 there\n- seed: 2 asked for, 0 there"):
        started.check_resume(RunSettings(epochs=6, seed=2))
    started.check_resume(RunSettings(epochs=5))


def test_resuming_needs_a_run(tmp_path):
    with pytest.raises(ValueError, match="has no settings.json"):
        RunFolder(tmp_path).check_resume(RunSettings())


def test_resuming_a_finished_run_says_so(started):
    started.model_folder.mkdir()
    started.finish()

    with pytest.raises(ValueError, match=r"is finished: 5 of 5 epochs"):
        started.check_resume(RunSettings(epochs=5))


@pytest.mark.parametrize("text", ["{", "[]", '{"epochs": "many"}'])
def test_broken_settings_name_the_file(started, text):
    started.settings_file.write_text(text)

    with pytest.raises(ValueError, match=r"settings.json' does not hold settings"):
        started.read_settings()


def test_history_is_numbers_without_a_row_cut_short(started):
    started.history_file.write_text("epoch,loss\n0,2.5\n1\n")

    assert started.read_history() == [{"epoch": 0, "loss": 2.5}]
