"""Preset folders: replaced as a whole or not at all, whatever goes wrong on the way."""

import errno
import json
import os
import shutil
import stat
import sys
import time

import pytest

from keras_vit.hub import read_config, write_folder

CONFIG = json.dumps({"keras_vit": {"class": "ViT"}})


def writers(mark, **others):
    return {
        "config.json": lambda path: path.write_text(CONFIG),
        "model.safetensors": lambda path: path.write_text(mark),
        **others,
    }


@pytest.fixture
def preset(tmp_path):
    """A preset folder with weights "old", alone in its parent."""
    write_folder(tmp_path / "vit", writers("old"))
    return tmp_path / "vit"


def assert_old(preset):
    assert sorted(os.listdir(preset)) == ["config.json", "model.safetensors"]
    assert (preset / "model.safetensors").read_text() == "old"
    assert os.listdir(preset.parent) == [preset.name]


def fail(error):
    def write(path):
        path.write_text("half")
        raise error

    return write


# Writing.


def test_a_new_folder_and_its_parents_are_made(tmp_path):
    write_folder(tmp_path / "runs" / "first" / "vit", writers("new"))
    assert (tmp_path / "runs" / "first" / "vit" / "model.safetensors").read_text() == "new"
    assert os.listdir(tmp_path / "runs" / "first") == ["vit"]


def test_a_folder_may_be_named_by_a_string(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_folder("vit", writers("new"))
    write_folder("./vit/", writers("newer"))
    assert (tmp_path / "vit" / "model.safetensors").read_text() == "newer"


def test_an_older_preset_is_replaced_as_a_whole(preset):
    write_folder(preset, {"config.json": lambda path: path.write_text(CONFIG)})
    assert os.listdir(preset) == ["config.json"]
    assert os.listdir(preset.parent) == ["vit"]


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "vit").mkdir()
    write_folder(tmp_path / "vit", writers("new"))
    assert (tmp_path / "vit" / "model.safetensors").read_text() == "new"


def test_files_of_a_file_manager_are_in_nobodys_way(preset):
    (preset / ".DS_Store").touch()
    write_folder(preset, writers("new"))
    assert (preset / "model.safetensors").read_text() == "new"


def test_a_link_to_a_folder_stays_a_link(preset):
    link = preset.parent / "link"
    link.symlink_to(preset, target_is_directory=True)
    write_folder(link, writers("new"))
    assert link.is_symlink()
    assert (preset / "model.safetensors").read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")
def test_others_may_read_what_the_system_lets_them(tmp_path, preset):
    (tmp_path / "plain").mkdir()
    assert stat.S_IMODE(preset.stat().st_mode) == stat.S_IMODE((tmp_path / "plain").stat().st_mode)
    preset.chmod(0o750)
    write_folder(preset, writers("new"))
    assert stat.S_IMODE(preset.stat().st_mode) == 0o750


# Refused before anything is written.


@pytest.mark.parametrize("name", ["../evil", "a/b", "", ".", "..", "/etc/passwd", "a\\b"])
def test_file_names_must_be_plain(tmp_path, name):
    with pytest.raises(ValueError, match="plain file names"):
        write_folder(tmp_path / "vit", {name: lambda path: path.write_text("evil")})
    assert os.listdir(tmp_path) == []


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "vit").write_text("notes")
    with pytest.raises(ValueError, match=r"vit is a file\. Choose another name"):
        write_folder(tmp_path / "vit", writers("new"))
    assert (tmp_path / "vit").read_text() == "notes"


@pytest.mark.parametrize("name", ["thesis.tex", ".git", "model.h5"])
def test_a_folder_with_other_files_is_refused(preset, name):
    (preset / name).write_text("mine")
    with pytest.raises(ValueError, match=f"files that keras_vit did not write: {name}"):
        write_folder(preset, writers("new"))
    assert (preset / name).read_text() == "mine"
    assert (preset / "model.safetensors").read_text() == "old"
    assert os.listdir(preset.parent) == ["vit"]


@pytest.mark.parametrize(
    "files",
    [
        {"README.md": "my project", "LICENSE": "mine"},
        {"config.json": '{"architecture": "vit_base_patch16_224"}', "model.safetensors": "timm's"},
        {"config.json": "not JSON"},
    ],
)
def test_files_of_ours_by_name_only_are_refused(tmp_path, files):
    folder = tmp_path / "project"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(ValueError, match="did not write"):
        write_folder(folder, writers("new"))
    assert {name: (folder / name).read_text() for name in os.listdir(folder)} == files


def test_links_and_folders_under_our_names_are_refused(preset):
    (preset / "README.md").mkdir()
    (preset / "LICENSE").symlink_to(preset / "config.json")
    with pytest.raises(ValueError, match=r"did not write: LICENSE, README\.md"):
        write_folder(preset, writers("new"))


def test_the_current_directory_is_refused(preset, monkeypatch):
    monkeypatch.chdir(preset)
    with pytest.raises(ValueError, match="in use as the current directory"):
        write_folder(".", writers("new"))
    assert_old(preset)


def test_a_mount_point_is_refused(preset, monkeypatch):
    monkeypatch.setattr(os.path, "ismount", lambda path: path == preset)
    with pytest.raises(ValueError, match="is a mount point"):
        write_folder(preset, writers("new"))
    assert_old(preset)


# Errors on the way.


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (PermissionError(errno.EACCES, "Permission denied"), PermissionError),
        (OSError("without a number"), OSError),
    ],
)
def test_system_errors_say_that_the_old_folder_is_unchanged(preset, error, expected):
    with pytest.raises(expected, match=r"vit could not be saved: .*What was there is unchanged") as raised:
        write_folder(preset, writers("new", **{"README.md": fail(error)}))
    assert raised.value.errno == error.errno
    assert_old(preset)


@pytest.mark.parametrize("error", [RuntimeError("broken"), KeyboardInterrupt()])
def test_other_errors_pass_and_leave_the_old_folder(preset, error):
    with pytest.raises(type(error)):
        write_folder(preset, writers("new", **{"README.md": fail(error)}))
    assert_old(preset)


def test_a_failed_first_save_leaves_nothing_behind(tmp_path):
    with pytest.raises(OSError, match="Nothing was left behind"):
        write_folder(tmp_path / "runs" / "vit", {"config.json": fail(OSError(errno.ENOSPC, "full"))})
    assert os.listdir(tmp_path) == []


def test_a_writer_that_leaves_no_file_is_an_error(preset):
    with pytest.raises(ValueError, match=r"'README\.md' is missing"):
        write_folder(preset, writers("new", **{"README.md": lambda path: None}))
    assert_old(preset)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on file sizes to set")
def test_a_full_disk_leaves_the_old_folder(preset):
    import resource

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError, match="could not be saved: File too large"):
            write_folder(preset, writers("x" * 100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert_old(preset)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_or_parent_leaves_the_old_folder(preset):
    for folder in (preset, preset.parent):
        folder.chmod(0o555)
        try:
            with pytest.raises(PermissionError, match=r"must be writable too\. What was there is unchanged"):
                write_folder(preset, writers("new"))
        finally:
            folder.chmod(0o755)
        assert_old(preset)


def test_a_read_only_file_system_leaves_the_old_folder(preset, monkeypatch):
    def refuse(*arguments, **options):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "mkdir", refuse)
    with pytest.raises(OSError, match=r"Read-only file system\. The new version is written beside it first"):
        write_folder(preset, writers("new"))
    assert_old(preset)


@pytest.mark.parametrize("failing", [1, 2])
@pytest.mark.parametrize("error", [OSError(errno.EBUSY, "busy"), KeyboardInterrupt()])
def test_a_failed_swap_gives_the_old_folder_back(preset, monkeypatch, failing, error):
    rename, calls = os.rename, []

    def rename_or_fail(source, target):
        calls.append(source)
        if len(calls) == failing:
            raise error
        rename(source, target)

    monkeypatch.setattr(os, "rename", rename_or_fail)
    with pytest.raises(type(error)):
        write_folder(preset, writers("new"))
    assert_old(preset)


# After a crash: what a killed process leaves is set up by hand.


def test_a_crash_between_the_renames_is_undone_by_the_next_save(preset):
    shutil.move(preset, preset.with_name(".vit.0123abcd.previous"))
    with pytest.raises(RuntimeError):
        write_folder(preset, writers("new", **{"README.md": fail(RuntimeError())}))
    assert_old(preset)


def test_a_reader_is_told_where_a_crash_left_the_folder(preset):
    shutil.move(preset, preset.with_name(".vit.0123abcd.previous"))
    with pytest.raises(FileNotFoundError, match=r"interrupted save left its content in .*\.vit\.0123abcd\.previous"):
        read_config(preset)


def test_a_crash_after_the_swap_leaves_nothing_after_the_next_save(preset):
    shutil.copytree(preset, preset.with_name(".vit.0123abcd.previous"))
    write_folder(preset, writers("new"))
    assert os.listdir(preset.parent) == ["vit"]
    assert (preset / "model.safetensors").read_text() == "new"


def test_the_old_content_is_kept_while_something_else_has_its_name(preset):
    previous = preset.with_name(".vit.0123abcd.previous")
    shutil.move(preset, previous)
    preset.mkdir()  # by the user, who wonders where the folder went
    write_folder(preset, writers("new"))
    assert (previous / "model.safetensors").read_text() == "old"


def test_only_abandoned_work_in_progress_is_removed(preset):
    running, abandoned = (preset.with_name(f".vit.{mark}.partial") for mark in ("0123abcd", "4567abcd"))
    other = preset.with_name(".vit.backup.partial")  # not named by us
    for folder in (running, abandoned, other):
        folder.mkdir()
    two_days_ago = time.time() - 2 * 24 * 60 * 60
    for folder in (abandoned, other):
        os.utime(folder, (two_days_ago, two_days_ago))
    write_folder(preset, writers("new"))
    assert sorted(os.listdir(preset.parent)) == sorted([running.name, other.name, "vit"])


@pytest.mark.slow
def test_a_killed_process_leaves_the_old_folder(preset, run_python):
    code = """
import os, sys
from keras_vit.hub import write_folder
def die(path):
    path.write_text("half")
    os._exit(0)
write_folder(sys.argv[1], {"config.json": die})
"""
    run_python(code, preset)
    assert (preset / "model.safetensors").read_text() == "old"
    assert len(os.listdir(preset.parent)) == 2  # and what it had begun, until the next save a day later


# Reading.


def test_the_config_is_read(preset):
    assert read_config(preset) == {"keras_vit": {"class": "ViT"}}
    assert read_config(str(preset)) == {"keras_vit": {"class": "ViT"}}


def test_a_missing_folder_or_config_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no preset folder .*vit"):
        read_config(tmp_path / "vit")
    with pytest.raises(FileNotFoundError, match=r"needs a config\.json; .* has none"):
        read_config(tmp_path)


def test_a_file_is_no_preset(preset):
    with pytest.raises(ValueError, match="A preset is a folder"):
        read_config(preset / "config.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b'{"a": NaN}', "NaN is no JSON number"),
        (b'{"a": -Infinity}', "-Infinity is no JSON number"),
        (b'{"a": "\xff"}', "not valid JSON"),
        (b'{"a": ' + b"[" * 1_000_000, "not valid JSON"),
        (b"[1, 2]", "needs to hold a JSON object; it holds a list"),
        (b"null", "holds a NoneType"),
        (b'"text"', "holds a str"),
    ],
    ids=lambda value: value[:12] if isinstance(value, bytes) else None,
)
def test_a_bad_config_is_one_clear_error(preset, content, message):
    (preset / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=message) as error:
        read_config(preset)
    assert "config.json" in str(error.value)


def test_a_huge_config_is_not_read(preset):
    with open(preset / "config.json", "wb") as file:
        file.truncate(100_000_000)
    with pytest.raises(ValueError, match="has 100000000 bytes"):
        read_config(preset)
