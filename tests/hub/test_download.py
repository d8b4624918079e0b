"""Downloads fetch what a model needs, all of one commit, and nothing else."""

import json

import pytest

from keras_vit.hub import download
from keras_vit.models import ViT, from_preset
from tests.models.goldens import FOLDER

CONFIG = b'{"architecture": "vit"}'
INDEX = "model.safetensors.index.json"
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
MODEL = {"config.json": CONFIG, "model.safetensors": b"weights", "README.md": b"card"}


def index_of(*shards: str) -> bytes:
    return json.dumps({"weight_map": {f"tensor_{number}": shard for number, shard in enumerate(shards)}}).encode()


def content_of(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_files_that_a_model_needs_come_and_no_others(hub_server):
    others = ("pytorch_model.bin", "optimizer.pt", "modeling.py", "onnx/model.onnx", "model.weights.h5", "tf.msgpack")
    commit = hub_server.add("me/model", {**MODEL, **dict.fromkeys(others, b"no")})
    folder, found = download("me/model")
    assert found == commit
    assert content_of(folder) == MODEL
    assert not any(name in line for name in others for line in hub_server.log())


def test_settings_come_without_weights(hub_server):
    hub_server.add("me/model", MODEL)
    folder, _ = download("me/model", load_weights=False)
    assert content_of(folder).keys() == {"config.json", "README.md"}


def test_an_index_brings_the_shards_that_it_names(hub_server):
    stray = "model-00001-of-00009.safetensors"
    hub_server.add(
        "me/model", {"config.json": CONFIG, INDEX: index_of(*SHARDS), **dict.fromkeys((*SHARDS, stray), b"w")}
    )
    folder, _ = download("me/model")
    assert content_of(folder).keys() == {"config.json", INDEX, *SHARDS}


def test_transformers_models_bring_their_preprocessing(hub_server):
    config = {"config.json": b'{"model_type": "vit"}', "preprocessor_config.json": b"{}"}
    hub_server.add("me/model", {**MODEL, **config})
    folder, _ = download("me/model", load_weights=False)
    assert content_of(folder).keys() == {"config.json", "preprocessor_config.json", "README.md"}


def test_keras_hub_models_bring_their_own_files(hub_server):
    golden = FOLDER / "keras_hub_vit"
    hub_server.add("me/model", golden)
    folder, _ = download("me/model")
    assert content_of(folder) == content_of(golden)


@pytest.mark.parametrize("golden", ["timm_vit", "transformers_vit", "keras_hub_vit"])
def test_from_preset_loads_a_repository_as_it_loads_the_folder(hub_server, golden):
    commit = hub_server.add("me/model", FOLDER / golden)
    model = ViT.from_preset("me/model", endpoint=hub_server.endpoint)
    expected = ViT.from_preset(FOLDER / golden)
    assert model.provenance["source"] == {"repo_id": "me/model", "revision": commit}
    for path, weight in expected.weights_by_path().items():
        assert (model.weights_by_path()[path].numpy() == weight.numpy()).all()


def test_a_commit_pins_every_file_when_the_branch_moves(hub_server):
    first = hub_server.add("me/model", MODEL)
    download("me/model", load_weights=False)
    second = hub_server.repositories["me/model"].commit({"model.safetensors": b"better"})

    assert download("me/model")[1] == second
    folder, commit = download("me/model", first)

    assert commit == first
    assert content_of(folder) == MODEL
    assert content_of(download("me/model", "main")[0])["model.safetensors"] == b"better"


def test_a_branch_that_moves_during_a_download_mixes_nothing(hub_server):
    first = hub_server.add("me/model", MODEL)
    new = {"config.json": b'{"architecture": "new"}', "model.safetensors": b"new"}
    folder, commit = download("me/model", check_settings=lambda _: hub_server.repositories["me/model"].commit(new))
    assert commit == first
    assert content_of(folder) == MODEL


def test_branches_tags_and_pull_requests_are_revisions(hub_server):
    expected = {}
    commit = hub_server.add("me/model", MODEL)
    repository = hub_server.repositories["me/model"]
    for kind, revision in (("refs/heads/", "next/step"), ("refs/tags/", "v1.0"), ("", "refs/pr/1")):
        repository.create_ref(kind + revision, "main")
        expected[revision] = commit
        commit = repository.commit({"README.md": f"after {revision}".encode()})
    for revision, commit in expected.items():
        assert download("me/model", revision)[1] == commit
    assert len(set(expected.values())) == 3


def test_a_second_load_asks_for_the_commit_only_and_a_pinned_one_asks_nothing(hub_server):
    commit = hub_server.add("me/model", MODEL)
    download("me/model")
    hub_server.requests.clear()
    download("me/model")
    assert [line.partition("?")[0] for line in hub_server.log()] == ["GET /api/models/me/model"]
    hub_server.requests.clear()
    download("me/model", commit)
    assert hub_server.log() == []


def test_settings_are_checked_before_the_weights_are_fetched(hub_server):
    hub_server.add("me/bert", {"config.json": b'{"model_type": "bert"}', "model.safetensors": b"weights"})
    with pytest.raises(ValueError, match="model_type='bert', which is no architecture of keras_vit"):
        from_preset("me/bert")
    assert not hub_server.log("safetensors")


def test_weights_in_other_files_are_named(hub_server):
    hub_server.add("me/model", {"config.json": CONFIG, "pytorch_model.bin": b"pickle"})
    with pytest.raises(ValueError, match=r"me/model has its weights in pytorch_model.bin: such files are not fetched"):
        download("me/model")
    assert not hub_server.log("pytorch_model")


def test_a_repository_without_config_or_weights_is_named(hub_server):
    hub_server.add("me/data", {"table.csv": b"1,2"})
    with pytest.raises(FileNotFoundError, match=r"me/data has no config.json at commit .* of a vision model"):
        download("me/data")
    hub_server.add("me/empty", {"config.json": CONFIG})
    with pytest.raises(FileNotFoundError, match=r"me/empty has no model.safetensors"):
        download("me/empty")


@pytest.mark.parametrize("name", ["../../evil.safetensors", "/evil.safetensors", "a/b.safetensors", "evil.bin"])
def test_an_index_that_leads_elsewhere_is_refused(hub_server, tmp_path, name):
    hub_server.add("me/model", {"config.json": CONFIG, INDEX: index_of(name)})
    with pytest.raises(ValueError, match="is refused: it needs at most 1000 plain names"):
        download("me/model")
    assert not hub_server.log("evil")
    assert not list(tmp_path.rglob("*evil*"))


def test_an_index_of_too_many_files_is_refused(hub_server):
    names = [f"model-{number}.safetensors" for number in range(1001)]
    hub_server.add("me/model", {"config.json": CONFIG, INDEX: index_of(*names)})
    with pytest.raises(ValueError, match="1001 files"):
        download("me/model")


def test_giant_settings_are_refused_before_they_are_fetched(hub_server):
    hub_server.add("me/model", {"config.json": b" " * 25_000_001})
    with pytest.raises(ValueError, match=r"config.json of me/model has 25000001 bytes; 25000000 are the most"):
        download("me/model")
    assert not hub_server.log("resolve")
