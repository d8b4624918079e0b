"""The cache: works without a connection, survives damage and interruption, serves several processes."""

import errno
import hashlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import constants, hf_hub_download

from keras_vit.hub import download, snapshot

MODEL = {"config.json": b'{"architecture": "vit"}', "model.safetensors": bytes(range(256)) * 64}

# Keras stays out: the processes start within a second.
CODE = """
import sys
sys.argv[0] = "keras-vit"
from keras_vit.hub.download import download
folder, commit = download("me/model")
print(commit)
"""


@pytest.fixture
def hub(hub_server):
    hub_server.add("me/model", MODEL)
    return hub_server


@pytest.fixture
def cache() -> Path:
    return Path(constants.HF_HUB_CACHE) / "models--me--model"


def start_process() -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def flip_bit(content: bytes) -> bytes:
    return bytes([content[0] ^ 1]) + content[1:]


def check_content(folder: Path) -> None:
    for name, content in MODEL.items():
        assert (folder / name).read_bytes() == content


@pytest.mark.parametrize("how", ["local_files_only", "HF_HUB_OFFLINE", "unreachable", "busy"])
def test_what_was_fetched_loads_without_a_connection(hub, monkeypatch, capsys, how):
    folder, commit = download("me/model")
    capsys.readouterr()
    options = {"local_files_only": True} if how == "local_files_only" else {}
    if how == "HF_HUB_OFFLINE":
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    if how == "unreachable":
        options["endpoint"] = "http://127.0.0.1:9"
    if how == "busy":
        hub.fail("", status=503, times=100)
    hub.requests.clear()

    assert download("me/model", **options) == (folder, commit)

    assert len(hub.log()) == (how == "busy")
    notice = capsys.readouterr().err
    assert (f"Taking commit {commit} from the cache." in notice) == (how in ("unreachable", "busy"))


def test_without_a_connection_a_branch_stays_where_it_was(hub):
    _, first = download("me/model")
    hub.repositories["me/model"].commit({"model.safetensors": b"new"})
    assert download("me/model", local_files_only=True)[1] == first
    _, second = download("me/model")
    assert download("me/model", local_files_only=True)[1] == second != first
    assert download("me/model", first, local_files_only=True)[1] == first


def test_what_was_not_fetched_is_told(hub, monkeypatch):
    message = "me/model at revision 'main' is not in the cache .*, and {} is set. Load it once with a connection."
    with pytest.raises(FileNotFoundError, match=message.format("local_files_only")):
        download("me/model", local_files_only=True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(FileNotFoundError, match=message.format("HF_HUB_OFFLINE")):
        download("me/model")
    assert hub.log() == []


def test_half_a_snapshot_is_told(hub):
    _, commit = download("me/model", load_weights=False)
    message = f"Only a part of me/model is in the cache .*: model.safetensors of commit {commit} is missing."
    with pytest.raises(FileNotFoundError, match=message):
        download("me/model", local_files_only=True)
    download("me/model", local_files_only=True, load_weights=False)
    check_content(download("me/model", commit)[0])


def test_files_that_another_program_fetched_are_used_and_checked(hub, cache):
    for name in MODEL:
        path = Path(hf_hub_download("me/model", name))
    check_content(download("me/model", local_files_only=True)[0])
    assert not hub.log("/api/models")
    os.chmod(path.resolve(), 0o644)
    path.resolve().write_bytes(flip_bit(MODEL["model.safetensors"]))
    with pytest.raises(OSError, match=r"model.safetensors of me/model is damaged"):
        download("me/model", local_files_only=True)


def test_preprocessing_that_another_program_left_out_is_asked_for(hub_server):
    config = {"config.json": b'{"model_type": "vit"}', "preprocessor_config.json": b"{}"}
    hub_server.add("me/model", {**MODEL, **config})
    for name in MODEL:
        hf_hub_download("me/model", name)
    with pytest.raises(FileNotFoundError, match="preprocessor_config.json of commit"):
        download("me/model", local_files_only=True)
    assert (download("me/model")[0] / "preprocessor_config.json").is_file()


@pytest.mark.parametrize(("name", "request_line"), [("model.safetensors", "GET /objects"), ("config.json", "GET /me/")])
def test_a_flipped_bit_is_found_and_the_file_deleted(hub, cache, name, request_line):
    hub.fail(request_line, body=flip_bit)
    with pytest.raises(OSError, match=rf"{name} of me/model is damaged: its hash is .* It was deleted from the cache"):
        download("me/model")
    assert not [path for path in cache.rglob("*") if path.is_file() and path.read_bytes() == flip_bit(MODEL[name])]
    check_content(download("me/model")[0])


def test_weights_of_another_file_are_found(hub):
    hub.fail("GET /objects", body=lambda content: bytes(len(content)))
    with pytest.raises(OSError, match="is damaged"):
        download("me/model")


def test_each_file_is_hashed_once_and_again_when_it_changed(hub, monkeypatch):
    hashed, digest = [], hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda file, kind: hashed.append(file.name) or digest(file, kind))
    folder, commit = download("me/model")
    download("me/model")
    download("me/model", commit, local_files_only=True)
    assert len(hashed) == 1

    weights = (folder / "model.safetensors").resolve()
    weights.write_bytes(flip_bit(MODEL["model.safetensors"]))
    os.utime(weights, ns=(0, 0))
    with pytest.raises(OSError, match="is damaged"):
        download("me/model", local_files_only=True)
    assert len(hashed) == 2


def test_damage_that_cannot_be_deleted_is_told(hub, monkeypatch):
    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    folder, _ = download("me/model")
    (folder / "model.safetensors").resolve().write_bytes(b"damaged")
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="It could not be deleted from the cache; delete .* and load again"):
        download("me/model")


def test_a_cache_that_cannot_be_written_to_serves_what_it_has(hub, monkeypatch):
    def refuse(*args: object, **options: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    expected = download("me/model")
    for notes in (expected[0].parents[1] / ".keras_vit").iterdir():
        notes.unlink()
    for owner, name in ((Path, "write_text"), (Path, "mkdir"), (os, "replace"), (os, "makedirs")):
        monkeypatch.setattr(owner, name, refuse)
    assert download("me/model") == expected
    assert download("me/model", expected[1]) == expected
    assert download("me/model", local_files_only=True) == expected


def test_notes_that_are_damaged_are_made_anew(hub):
    folder, commit = download("me/model")
    notes = folder.parents[1] / ".keras_vit" / f"{commit}.json"
    good = notes.read_text()
    for bad in ("", "[]", '{"files": 1, "checked": 2}', '{"files": {"a": {"colour": "red"}}}', "\xff"):
        notes.write_text(bad, encoding="latin-1")
        check_content(download("me/model", commit)[0])
        assert notes.read_text() == good


def test_an_interrupted_transfer_goes_on_where_it_stopped(hub_server, no_waiting):
    content = os.urandom(12_000_000)
    hub_server.add("me/model", {**MODEL, "model.safetensors": content})
    hub_server.fail("GET /objects", cut=11_000_000)
    folder, _ = download("me/model")
    assert (folder / "model.safetensors").read_bytes() == content
    ranges = [request.headers.get("range") for request in hub_server.requests if request.origin == "storage"]
    assert ranges == [None, "bytes=10485760-"]


def test_four_processes_fetch_the_weights_once(hub, cache):
    hub.fail("GET /objects", wait=0.5)
    processes = [start_process() for _ in range(4)]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert len({stdout for stdout, _ in outputs}) == 1
    assert len(hub.log("^GET", "storage")) == 1
    check_content(download("me/model", local_files_only=True)[0])
    assert not list(cache.rglob("*.incomplete")) + list(cache.rglob("*.tmp"))


def test_a_killed_download_leaves_no_half_file_to_be_loaded(hub, cache):
    hub.fail("GET /objects", cut=100, wait=60)
    process = start_process()
    deadline = time.monotonic() + 60
    while not hub.log("GET /objects") and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    with pytest.raises(FileNotFoundError, match="Only a part of me/model"):
        download("me/model", local_files_only=True)
    (partial,) = cache.glob("blobs/*.incomplete")
    check_content(download("me/model")[0])
    assert partial.exists()  # it could be that of a process that still runs


def test_what_a_killed_download_left_is_removed_when_it_is_old(hub, cache):
    blobs = cache / "blobs"
    blobs.mkdir(parents=True)
    names = {"a" * 64 + ".0123abcd.incomplete": 25, "b" * 64 + ".0123abcd.incomplete": 23, "c" * 64: 25, "d.tmp": 25}
    for name, hours in names.items():
        (blobs / name).write_bytes(b"part")
        os.utime(blobs / name, (time.time() - hours * 3600,) * 2)
    check_content(download("me/model")[0])
    assert sorted(path.name[0] for path in blobs.iterdir() if path.read_bytes() == b"part") == ["b", "c", "d"]


def test_the_notes_are_the_only_thing_beside_the_clients_own_files(hub, cache):
    download("me/model")
    assert {path.name for path in cache.iterdir()} == {"blobs", "refs", "snapshots", snapshot._NOTES_FOLDER}
