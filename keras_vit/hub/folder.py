"""Preset folders on disk: written as a whole or not at all, read with clear errors."""

import contextlib
import errno
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

CONFIG_FILE = "config.json"
ADAPTER_FILES = ("adapter_config.json", "adapter_model.safetensors")  # of PEFT; nothing else is needed of an adapter
KERAS_FILES = ("metadata.json", "model.weights.h5")  # Keras' own; config.json serves both
PROCESSOR_FILE = "preprocessor_config.json"  # of folders for transformers
PRESET_FILES = (
    CONFIG_FILE,
    *ADAPTER_FILES,
    "model.safetensors",
    "README.md",
    "LICENSE",
    "curves.png",
    *KERAS_FILES,
    PROCESSOR_FILE,
)

_SYSTEM_FILES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # file managers leave these anywhere
_MAX_CONFIG_BYTES = 25_000_000  # 21,000 class names need less than 1 MB
_ABANDONED_SECONDS = 24 * 60 * 60


def write_folder(folder: str | os.PathLike[str], writers: Mapping[str, Callable[[Path], object]]) -> None:
    """Writes a folder of files; an older version of it is replaced in one step, when everything has been written.

    The files are written into a hidden folder beside `folder`. Then the old folder is renamed aside, the new one takes
    its name, and the old one is deleted. Any error, Ctrl-C included, leaves the old folder as it was. Should the
    machine stop exactly between the two renames, the old folder is found beside, as ".NAME.*.previous"; the next call
    of `write_folder` gives it back its name before it starts.

    Args:
        folder: Where to write; missing parents are made. A folder may be replaced if it is empty, or if it is a preset
            folder (its config.json has a "keras_vit" section, or its version) without files other than `PRESET_FILES`
            and `writers`.
        writers: For each file name a function that writes the file at the path it is given.

    Raises:
        ValueError: A file name is a path, a writer left no file, or `folder` is a file, holds files of others, or is
            the current directory or a mount point.
        OSError: The disk is full, the place read-only, or the folder cannot be renamed; the old folder is unchanged.
    """
    for name in writers:
        if name in ("", ".", "..") or Path(name).name != name or "\\" in name:
            raise ValueError(f"write_folder needs plain file names; got {name!r}.")
    target = Path(os.path.realpath(folder))  # a link to a folder stays a link
    with _clear_errors(target), _parents(target):
        _tidy_up(target)
        _check_target(target, writers)
        temporary = _beside(target, "partial")
        try:
            temporary.mkdir()
            if target.exists():
                shutil.copymode(target, temporary)
            for name, write in writers.items():
                write(temporary / name)
                if not (temporary / name).is_file():
                    raise ValueError(f"write_folder needs each writer to leave its file; {name!r} is missing.")
                _sync(temporary / name)
            _sync(temporary)
            _swap(temporary, target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)  # gone already where the swap succeeded


def read_config(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns the content of a preset folder's config.json.

    Raises:
        FileNotFoundError: There is no such folder, or no config.json in it.
        ValueError: `folder` is a file, or config.json is too large, not JSON, or not an object.
    """
    folder = Path(folder)
    path = folder / CONFIG_FILE
    if folder.is_file():
        raise ValueError(f"A preset is a folder; {folder} is a file. Pass the folder that holds config.json.")
    if not folder.is_dir():
        previous = _siblings(Path(os.path.realpath(folder)), "previous")
        hint = f" An interrupted save left its content in {previous[-1]}; rename that back." if previous else ""
        raise FileNotFoundError(f"There is no preset folder {folder}.{hint}")
    if not path.is_file():
        raise FileNotFoundError(f"A preset folder needs a config.json; {folder} has none.")
    return read_json(path)


def is_adapter(folder: Path) -> bool:
    """Whether a folder holds an adapter, and not a whole model."""
    return (folder / ADAPTER_FILES[0]).is_file() and not (folder / CONFIG_FILE).is_file()


def read_settings(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """Returns a folder's config.json or, of an adapter, adapter_config.json with the section of keras_vit.

    That section is in the file of weights, because PEFT warns of keys that it does not know.

    Raises:
        FileNotFoundError: There is no such folder, or neither file in it.
        ValueError: A file cannot be read.
    """
    folder = Path(folder)
    if not is_adapter(folder):
        return read_config(folder)
    settings = read_json(folder / ADAPTER_FILES[0])
    settings.pop("keras_vit", None)
    section = _read_section(folder / ADAPTER_FILES[1])
    return {**settings, "keras_vit": section} if section else settings


def _read_section(path: Path) -> dict[str, Any]:
    import safetensors

    if not path.is_file():
        return {}
    try:
        with safetensors.safe_open(path, framework="np") as file:
            section = json.loads((file.metadata() or {}).get("keras_vit", "{}"), parse_constant=_refuse_constant)
    except (safetensors.SafetensorError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is damaged: {error}.") from error
    return section if isinstance(section, dict) else {}


def read_json(path: Path) -> dict[str, Any]:
    """Returns the object in a JSON file.

    Raises:
        ValueError: The file is too large, not JSON, or not an object.
    """
    if path.stat().st_size > _MAX_CONFIG_BYTES:
        raise ValueError(f"{path} has {path.stat().st_size} bytes; {_MAX_CONFIG_BYTES} are the most that is read.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        raise ValueError(f"{path} is not valid JSON: {error}.") from error
    if not isinstance(config, dict):
        raise ValueError(f"{path} needs to hold a JSON object; it holds a {type(config).__name__}.")
    return config


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _beside(target: Path, kind: str) -> Path:
    return target.with_name(f".{target.name}.{secrets.token_hex(4)}.{kind}")


def _siblings(target: Path, kind: str) -> list[Path]:
    """Returns what `_beside` named for this target, oldest first."""
    prefix, suffix = f".{target.name}.", f".{kind}"
    try:
        names = [name for name in os.listdir(target.parent) if name.startswith(prefix) and name.endswith(suffix)]
        found = [target.parent / name for name in names if len(name) == len(prefix) + 8 + len(suffix)]
        return sorted(found, key=lambda path: path.stat().st_mtime)
    except OSError:
        return []


def _tidy_up(target: Path) -> None:
    """Undoes what saves that were killed left beside the target."""
    previous = _siblings(target, "previous")
    if previous and not target.exists():
        os.rename(previous.pop(), target)
    if _is_preset(target):  # otherwise what lies beside may be the only copy
        for leftover in previous:
            shutil.rmtree(leftover, ignore_errors=True)
    for leftover in _siblings(target, "partial"):
        with contextlib.suppress(OSError):
            # Younger ones may belong to a save that is still running.
            if time.time() - leftover.stat().st_mtime > _ABANDONED_SECONDS:
                shutil.rmtree(leftover, ignore_errors=True)


def _check_target(target: Path, writers: Mapping[str, object]) -> None:
    if not target.exists():
        return
    if not target.is_dir():
        raise ValueError(f"Saving needs a folder; {target} is a file. Choose another name.")
    if target in (Path.cwd(), *Path.cwd().parents):
        raise ValueError(
            f"Saving replaces the whole folder, and {target} is in use as the current directory. Name a folder in it."
        )
    if os.path.ismount(target):
        raise ValueError(f"Saving replaces the whole folder, and {target} is a mount point. Name a folder in it.")
    files = {path.name: path.is_file() and not path.is_symlink() for path in target.iterdir()}
    names = files.keys() - _SYSTEM_FILES
    foreign = sorted(name for name in names if name not in {*PRESET_FILES, *writers} or not files[name])
    if not foreign and names and not _is_preset(target):
        foreign = sorted(names)
    if foreign:
        listed = ", ".join(foreign[:5]) + (", ..." if len(foreign) > 5 else "")
        raise ValueError(
            f"Saving replaces the whole folder, and {target} holds files that keras_vit did not write: {listed}. "
            "Choose a new or empty folder, or move them away."
        )
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))


def _is_preset(folder: Path) -> bool:
    try:
        return not {"keras_vit", "keras_vit_version"}.isdisjoint(read_settings(folder))
    except (OSError, ValueError):
        return False


def _swap(temporary: Path, target: Path) -> None:
    previous = _beside(target, "previous")
    try:
        if target.exists():
            os.rename(target, previous)
        os.rename(temporary, target)
    except BaseException:
        if previous.exists() and not target.exists():
            os.rename(previous, target)
        raise
    _sync(target.parent)  # the new name is on disk before the old content goes
    shutil.rmtree(previous, ignore_errors=True)


def _sync(path: Path) -> None:
    """Makes sure that a power cut cannot lose what was written."""
    if path.is_dir():
        with contextlib.suppress(OSError):  # Windows and some network drives cannot do this for folders
            _sync_descriptor(path, os.O_RDONLY)
    else:
        _sync_descriptor(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)


def _sync_descriptor(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _parents(target: Path) -> Iterator[None]:
    """Makes the folders above the target, and removes them again where saving fails."""
    missing = [parent for parent in target.parents if not parent.exists()]
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for parent in missing:
                parent.rmdir()
        raise


@contextlib.contextmanager
def _clear_errors(target: Path) -> Iterator[None]:
    """Turns whatever the system reports into one sentence that says what became of the old folder."""
    try:
        yield
    except OSError as error:
        code = error.errno
        reason = os.strerror(code) if code else str(error)
        hint = ""
        if code in (errno.EACCES, errno.EPERM, errno.EROFS):
            hint = f" The new version is written beside it first, so {target.parent} must be writable too."
        message = f"{target} could not be saved: {reason}.{hint} {_state(target)}"
        raise (OSError(code, message) if code else OSError(message)) from error


def _state(target: Path) -> str:
    if os.path.exists(target):
        return "What was there is unchanged."
    previous = _siblings(target, "previous")
    return f"What was there is in {previous[-1]}." if previous else "Nothing was left behind."
