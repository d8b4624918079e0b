import pytest

from keras_vit.files import write_file


def test_files_are_replaced_whole_and_folders_made(tmp_path):
    file = tmp_path / "new" / "file.txt"

    write_file(file, "first")
    write_file(file, b"second")

    assert file.read_text() == "second"
    assert [path.name for path in file.parent.iterdir()] == ["file.txt"]
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_failed_write_leaves_what_was_there(tmp_path, monkeypatch):
    file = tmp_path / "file.txt"
    write_file(file, "first")

    def fail(*names):
        raise OSError("No space left on device")

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(OSError, match="No space left"):
        write_file(file, "second")
    assert file.read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]
