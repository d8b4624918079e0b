"""Hostile repositories: refused with one clear error, nothing of them executed, nothing written outside the cache."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

import keras_vit
from tests.hub.hub_repository import lfs_pointer
from tests.models.goldens import FOLDER, make_images

GOOD = {path.name: path.read_bytes() for path in (FOLDER / "timm_vit").iterdir()}
SETTINGS = json.loads(GOOD["config.json"])
WEIGHTS = GOOD["model.safetensors"]
TENSORS = safetensors.numpy.load(WEIGHTS)
CONFIG = {"image_size": [32, 32], "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4, "num_classes": 3}
INDEX = "model.safetensors.index.json"
SHARD = "model-00001-of-00002.safetensors"
REST = "model-00002-of-00002.safetensors"


class Bomb:
    """Leaves a file where somebody unpickles it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def load(hub_server, tmp_path):
    """Loads a repository of these files; whatever comes of it, only the cache may have changed on the disk."""
    outside = tmp_path / "outside"
    (outside / "home").mkdir(parents=True)
    (outside / "home" / "secret.txt").write_text("private")
    cache = outside / "home" / "cache"

    def run(files: dict[str, bytes], **options: object) -> keras_vit.models.VisionModel:
        hub_server.add("owner/name", files)
        before, modules = listing(tmp_path, cache), set(sys.modules)
        try:
            return keras_vit.from_preset(
                "owner/name", **{"cache_dir": cache, "endpoint": hub_server.endpoint, **options}
            )
        finally:
            assert listing(tmp_path, cache) == before
            assert all(path.resolve().is_relative_to(cache) for path in cache.rglob("*"))
            strange = [sys.modules[name] for name in sys.modules.keys() - modules]
            assert not [module for module in strange if str(cache) in str(getattr(module, "__file__", ""))]
            assert not [part for part in sys.path if part.startswith(str(tmp_path))]

    return run


def listing(folder: Path, cache: Path) -> dict[Path, tuple[int, int]]:
    """What lies in a folder, the cache left out, with size and time of the last change."""
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_relative_to(cache)]
    return {path: (path.stat().st_size, path.stat().st_mtime_ns) for path in paths}


def with_settings(**changes: object) -> dict[str, bytes]:
    return {**GOOD, "config.json": json.dumps({**SETTINGS, **changes}).encode()}


def sharded(weight_map: dict[str, str], shards: dict[str, bytes]) -> dict[str, bytes]:
    files = {name: content for name, content in GOOD.items() if name != "model.safetensors"}
    return {**files, INDEX: json.dumps({"weight_map": weight_map}).encode(), **shards}


def split() -> tuple[dict[str, str], dict[str, bytes]]:
    """Index and shards as they should be."""
    names = sorted(TENSORS)
    parts = {SHARD: names[::2], REST: names[1::2]}
    shards = {file: safetensors.numpy.save({name: TENSORS[name] for name in part}) for file, part in parts.items()}
    return {name: file for file, part in parts.items() for name in part}, shards


def test_the_repository_that_the_others_are_made_from_loads(load):
    expected = keras_vit.from_preset(FOLDER / "timm_vit").predict(make_images(), verbose=0)
    for files in (GOOD, sharded(*split())):
        np.testing.assert_array_equal(load(files).predict(make_images(), verbose=0), expected)


@pytest.mark.parametrize(
    "name", ["../../../secret.txt", "/etc/passwd", "..\\..\\x.safetensors", "a/b.safetensors", ".."]
)
def test_an_index_that_names_paths_is_refused(hub_server, load, name):
    weight_map, shards = split()
    weight_map[next(iter(weight_map))] = name
    with pytest.raises(ValueError, match="is refused: it needs at most 1000 plain names of .safetensors files"):
        load(sharded(weight_map, {**shards, name: WEIGHTS}))
    assert not hub_server.log("resolve/.*/(model-|.*passwd|.*secret)")


@pytest.mark.parametrize("weight_map", [[SHARD], SHARD, {"a": [SHARD]}, {"a": None}, {}, None])
def test_an_index_of_another_form_is_refused(load, weight_map):
    with pytest.raises((ValueError, FileNotFoundError), match="is refused|no index of a sharded checkpoint"):
        load(sharded(weight_map, {SHARD: WEIGHTS}))


def test_a_missing_shard_is_named(load):
    weight_map, shards = split()
    del shards[REST]
    with pytest.raises(FileNotFoundError, match=f"owner/name has no {REST} at commit"):
        load(sharded(weight_map, shards))


def test_a_tensor_in_another_shard_than_the_index_says_is_refused(load):
    weight_map, shards = split()
    with pytest.raises(ValueError, match="does not fit its shards"):
        load(sharded(weight_map, {SHARD: shards[REST], REST: shards[SHARD]}))


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "model.pkl", "model.keras"])
def test_weights_that_can_run_code_are_not_even_fetched(hub_server, load, tmp_path, name):
    files = {**GOOD, name: pickle.dumps(Bomb(tmp_path / "ran"))}
    del files["model.safetensors"]
    with pytest.raises(ValueError, match=f"has its weights in {name}: such files are not fetched"):
        load(files)
    assert not hub_server.log(f"resolve/.*{name}")


def test_a_pickle_under_the_name_of_safe_weights_is_not_opened(load, tmp_path):
    with pytest.raises(ValueError, match="pickle"):
        load({**GOOD, "model.safetensors": pickle.dumps(Bomb(tmp_path / "ran"))})


def test_code_in_the_repository_is_neither_fetched_nor_run(hub_server, load, tmp_path):
    code = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).touch()\n".encode()
    names = ["modeling_evil.py", "keras.py", "__init__.py", "setup.py", "model.py", "sitecustomize.py"]
    evil = with_settings(
        auto_map={"AutoModel": "modeling_evil.Model", "AutoConfig": "modeling_evil.Config"},
        trust_remote_code=True,
        custom_pipelines={"vit": {"impl": "modeling_evil.Pipeline"}},
        module="modeling_evil",
        class_name="Model",
        registered_name="modeling_evil>Model",
    )
    pickled = pickle.dumps(Bomb(tmp_path / "ran"))
    load({**evil, **dict.fromkeys(names, code), "pytorch_model.bin": pickled})  # the safe weights are enough
    assert not hub_server.log(r"resolve/.*\.(py|bin)")


def test_a_lambda_in_keras_settings_is_not_built(load):
    # {"class_name": "__lambda__"} is how Keras stores Python code.
    code = {"class_name": "__lambda__", "config": {"value": "4wAAAAA=", "defaults": None, "closure": None}}
    layer = {"module": "keras.layers", "class_name": "Lambda", "config": {"function": code}}
    for settings in (
        {"module": "keras", "class_name": "Sequential", "config": {"layers": [layer]}},
        {"registered_name": "keras_hub>ViTImageClassifier", "class_name": "Lambda", "config": {"backbone": layer}},
    ):
        with pytest.raises(ValueError, match="config.json|KerasHub|keras_hub|ViT"):
            load({**GOOD, "config.json": json.dumps(settings).encode()})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 1_000_000 + b"]" * 1_000_000, "is not valid JSON"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "is not valid JSON"),
        (b"[]", "needs to hold a JSON object; it holds a list"),
        (b'"vit"', "it holds a str"),
        (b"null", "it holds a NoneType"),
        (b'{"architecture": NaN}', "NaN is no JSON number"),
        (b'{"num_classes": -Infinity}', "-Infinity is no JSON number"),
        (b"\xff\xfe\x00", "is not valid JSON"),
        (b"", "is not valid JSON"),
        (b"<html>not found</html>", "is not valid JSON"),
        (b"9" * 10_000, "is not valid JSON|it holds a int"),
    ],
    ids=[
        "deep lists",
        "deep objects",
        "list",
        "text",
        "null",
        "NaN",
        "infinity",
        "no UTF-8",
        "empty",
        "HTML",
        "digits",
    ],
)
def test_a_config_that_is_none_is_refused(hub_server, load, content, message):
    with pytest.raises(ValueError, match=message):
        load({**GOOD, "config.json": content})
    assert not hub_server.log("safetensors")


def test_a_giant_config_is_not_fetched(hub_server, load):
    with pytest.raises(ValueError, match=r"config.json of owner/name has 100000000 bytes; 25000000 are the most"):
        load({**GOOD, "config.json": b" " * 100_000_000})
    assert not hub_server.log("resolve")


@pytest.mark.parametrize(
    "changes",
    [
        {"architecture": ["vit_tiny_patch16_224"]},
        {"architecture": "../../vit"},
        {"model_args": {"depth": 10**9}},
        {"model_args": {"depth": "12"}},
        {"model_args": {"depth": True}},
        {"model_args": {"embed_dim": 2**62, "num_heads": 1}},
        {"model_args": {"embed_dim": -32}},
        {"model_args": {"img_size": 10**6, "patch_size": 1}},
        {"model_args": {"act_layer": "os.system"}},
        {"model_args": {"norm_layer": {"class_name": "__lambda__"}}},
        {"model_args": {"mlp_ratio": 1e300}},
        {"num_classes": 10**12},
        {"num_classes": "many"},
        {"keras_vit": "ViT"},
        {"keras_vit": {"class": "os.system", "config": {}}},
        {"keras_vit": {"class": "ViT", "config": {"depth": 10**9}}},
        {"keras_vit": {"class": "ViT", "config": {"image_size": 10**9}}},
        {"keras_vit": {"class": "ViT", "config": ["depth"]}},
        {"keras_vit": {"class": "ViT", "config": {"unknown": 1}}},
        {"keras_vit": {"class": "ViT", "config": {"num_classes": 3}, "labels": 7}},
    ],
    ids=lambda changes: json.dumps(changes)[:60],
)
def test_settings_out_of_range_are_refused_before_the_weights_are_fetched(hub_server, load, changes):
    with pytest.raises(ValueError, match="needs|no architecture|none that|another architecture|wrong kind|[Uu]nknown"):
        load(with_settings(**changes))
    assert not hub_server.log("safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": [1e400] * 3},
        {"std": [0, 0, 0]},
        {"image_size": [10**9, 10**9]},
        {"image_size": "big"},
        {"crop_fraction": -1},
        {"interpolation": ["os.system"]},
    ],
    ids=str,
)
def test_preprocessing_out_of_range_is_refused(load, changes):
    config = {**CONFIG, "image_size": None, "position_grid": [4, 4]}
    section = {"class": "ViT", "config": config, "preprocessing": {"image_size": [32, 32], **changes}}
    files = with_settings(keras_vit=section)
    # A number too large for JSON's readers becomes infinite.
    files["config.json"] = files["config.json"].replace(b"Infinity", b"1e400")
    with pytest.raises(ValueError, match=f"Preprocessing is wrong:\n- {next(iter(changes))} needs"):
        load(files)


@pytest.mark.parametrize("model_args", [{"depth": 200, "embed_dim": 16384}, {"img_size": 16384, "embed_dim": 16384}])
def test_settings_of_terabytes_are_refused_before_memory_is_taken(load, model_args):
    arguments = {**SETTINGS["model_args"], **model_args}
    with pytest.raises(ValueError, match="settings describe a model of about .* billion weights, its files hold"):
        load(with_settings(model_args=arguments))


@pytest.mark.parametrize("revision", ["../../../../etc", "/abs", "a\nb", "refs/../x"])
def test_evil_revisions_are_refused_before_any_request(hub_server, load, revision):
    with pytest.raises(ValueError, match="A revision needs to be the name of a branch or tag"):
        load(GOOD, revision=revision)
    assert not hub_server.log()


def flip_last_bit(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


@pytest.mark.parametrize(
    ("request_line", "change"),
    [
        ("GET /objects", flip_last_bit),  # the weights, at the storage
        ("GET /objects", lambda content: bytes(len(content))),
        ("GET /owner/name/resolve/.*config.json", lambda content: content.replace(b"vit", b"tiv")),
    ],
    ids=["one bit", "zeros", "config"],
)
def test_content_of_another_hash_is_refused_and_removed(hub_server, load, request_line, change: Callable):
    hub_server.fail(request_line, body=change, times=9)
    with pytest.raises(OSError, match="is damaged: its hash is .* It was deleted from the cache"):
        load(GOOD)
    hub_server.faults.clear()
    load(GOOD)


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Linked-Etag": '"../../../../evil"'},
        {"X-Linked-Etag": '"/evil"', "ETag": '"/evil"'},
        {"X-Linked-Etag": '".."'},
        {"X-Linked-Etag": "a" * 300},
        {"X-Repo-Commit": "../../../evil"},
        {"X-Xet-Hash": "../../../evil", "X-Xet-Refresh-Route": "/refresh"},
    ],
    ids=["traversal", "absolute", "parent", "long", "commit", "xet"],
)
@pytest.mark.parametrize("status", [None, 404])
def test_answers_whose_headers_lead_elsewhere_are_refused(hub_server, load, headers, status):
    code = {"X-Error-Code": "EntryNotFound"} if status else {}
    hub_server.fail("HEAD /owner/name/resolve/.*safetensors", status=status, headers={**headers, **code}, times=9)
    with pytest.raises(OSError, match="The answer of 127.0.0.1 is refused: its header X?-?[A-Za-z-]+ needs a hash"):
        load(GOOD)


def test_a_file_of_another_commit_is_refused(hub_server, load):
    hub_server.fail("HEAD /owner/name/resolve/.*safetensors", headers={"X-Repo-Commit": "0" * 40})
    with pytest.raises(OSError, match="sent model.safetensors of owner/name as of another commit"):
        load(GOOD)


def test_a_pointer_in_place_of_the_weights_is_named(load):
    with pytest.raises(ValueError, match="LFS pointer"):
        load({**GOOD, "model.safetensors": lfs_pointer(WEIGHTS)})


@pytest.mark.parametrize(
    "readme", [b"---\nlicense: [mit\n---\n", b"\xff\xfe", b"---\n!!python/object/apply:os.abort []\n---\n"]
)
def test_a_card_that_is_broken_is_in_nobodys_way(load, readme):
    assert load({**GOOD, "README.md": readme}).config.num_classes == 3
