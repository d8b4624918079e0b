"""Sources: names, folders, files and repositories become one checkpoint with its layout, or one clear error."""

import json

import numpy as np
import pytest

from keras_vit import ViT, checkpoints, from_preset, hub
from keras_vit.models import catalogue
from keras_vit.models.source import open_source
from tests.models.goldens import FOLDER, make_images
from tests.models.vit.configs import TINY

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def downloads(monkeypatch):
    """Serves folders in place of the Hub, and notes what was asked for."""
    served, asked = {}, []

    def download(repo_id, revision=None, **options):
        given = {name: option for name, option in options.items() if name not in ("known_names", "check_settings")}
        asked.append((repo_id, revision, given))
        return served[repo_id], COMMIT

    monkeypatch.setattr(hub, "download", download)
    return served, asked


@pytest.mark.parametrize(
    ("name", "layout"),
    [
        ("timm_clip", "timm"),
        ("transformers_vit", "transformers"),
        ("google_old.npz", "google"),
        ("keras_hub_vit", "KerasHub"),
    ],
)
def test_the_layout_is_told_from_the_files(name, layout):
    source = open_source(FOLDER / name)
    assert source.layout.name == layout
    assert source.description.architecture == "ViT"
    assert str(FOLDER / name) in str(from_preset(FOLDER / name).load_report)


def test_settings_alone_are_enough_without_weights(tmp_path):
    for name in ("timm_clip", "transformers_siglip", "keras_hub_vit"):
        assert open_source(FOLDER / name, load_weights=False).weights is None
    fresh = ViT.from_preset(FOLDER / "timm_clip", load_weights=False)
    assert fresh.config == ViT.from_preset(FOLDER / "timm_clip").config


@pytest.mark.parametrize("name", ["owner/model", "hf://owner/model"])
def test_a_repository_is_downloaded_and_remembered(downloads, name):
    served, asked = downloads
    served["owner/model"] = FOLDER / "timm_vit"
    model = ViT.from_preset(name, token="secret")
    assert asked == [("owner/model", None, {"load_weights": True, "token": "secret"})]
    assert model.provenance["source"] == {"repo_id": "owner/model", "revision": COMMIT}
    assert "secret" not in json.dumps(model.get_config())
    assert model.predict(make_images(), verbose=0).shape == (2, 3)


def test_a_revision_comes_from_the_name_or_the_argument(downloads):
    served, asked = downloads
    served["owner/model"] = FOLDER / "timm_vit"
    ViT.from_preset("hf://owner/model@v2", load_weights=False)
    ViT.from_preset("owner/model", revision="v3", load_weights=False)
    assert [revision for _, revision, _ in asked] == ["v2", "v3"]


def test_a_preset_of_the_catalogue_takes_settings_from_the_table_and_weights_from_the_hub(downloads, tmp_path):
    served, asked = downloads
    name = "test_vit.r160_in1k"
    model = ViT.from_preset(name, load_weights=False)
    assert asked == []
    # What timm has in its repository: its names, and positions for the class token.
    tensors = checkpoints.collect(model.weights_by_path(), ViT.canonical_entries(model.config))
    places = np.full((1, 1, 64), 0.5, "float32")
    stored = {**tensors, "pos_embed": np.concatenate([places, tensors["pos_embed"]], axis=1)}
    served["timm/" + name] = tmp_path
    checkpoints.write(tmp_path / "model.safetensors", stored)

    loaded = ViT.from_preset(name)

    assert (loaded.config, loaded.labels) == (model.config, model.labels)
    assert len(loaded.labels) == 1000
    assert loaded.provenance == {
        "license": catalogue.find(name).license,
        "source": {"repo_id": "timm/" + name, "revision": COMMIT},
    }
    token = "prefix_tokens/class_token"
    np.testing.assert_allclose(
        loaded.weights_by_path()[token].numpy(), model.weights_by_path()[token].numpy() + 0.5, rtol=1e-6
    )


def test_other_architectures_of_the_catalogue_are_refused_before_a_download(downloads):
    with pytest.raises(ValueError, match="ViT cannot build vit_dlittle_patch16_reg1_gap_256"):
        ViT.from_preset("vit_dlittle_patch16_reg1_gap_256.sbb_nadamuon_in1k")
    assert downloads[1] == []


def test_weights_that_can_run_code_are_refused_by_name(tmp_path):
    (tmp_path / "config.json").write_text((FOLDER / "timm_vit" / "config.json").read_text())
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ValueError, match=r"weights in pytorch_model.bin: such files are not opened"):
        ViT.from_preset(tmp_path)


def test_a_pickle_that_is_called_safetensors_is_refused(tmp_path):
    (tmp_path / "config.json").write_text((FOLDER / "timm_vit" / "config.json").read_text())
    (tmp_path / "model.safetensors").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(checkpoints.CheckpointError, match="pickle"):
        ViT.from_preset(tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model_type": "resnet"}, "model_type='resnet', which is no architecture of keras_vit"),
        ({"architecture": "resnet50", "num_classes": 10}, "'resnet50' is none that keras_vit knows"),
        ({"architecture": "vit_base_patch16_225"}, "Close ones are vit_base_patch16_224"),
        ({"colour": "blue"}, "of no layout that keras_vit knows .*; its first key is 'colour'"),
        ({"registered_name": "keras_hub>BertBackbone", "config": {}}, "BertBackbone"),
        ({"architecture": "vit_base_patch16_224", "model_args": {"depth": 10**6}}, "depth needs a whole number"),
        ({"architecture": "vit_base_patch16_224", "model_args": {"embed_dim": 1 << 40}}, "embed_dim needs"),
        ({"architecture": "vit_base_patch16_224", "num_classes": 10**9}, "num_classes needs"),
        (
            {"architecture": "vit_base_patch16_224", "model_args": {"mlp_ratio": "wide"}},
            "mlp_ratio='wide' is no number",
        ),
        ({"architecture": "vit_base_patch16_224", "model_args": {"mlp_ratio": 1e308}}, "a value of the wrong kind"),
        ({"architecture": "vit_base_patch16_224", "model_args": ["depth"]}, "a value of the wrong kind"),
        ({"architecture": "vit_base_patch16_224", "pretrained_cfg": [1]}, "a value of the wrong kind"),
        ({"architecture": "vit_base_patch16_224", "pretrained_cfg": {"input_size": [3]}}, "image_size needs"),
        ({"architecture": "vit_base_patch16_224", "pretrained_cfg": {"input_size": "big"}}, "in_channels|wrong kind"),
        ({"model_type": "vit", "num_hidden_layers": 10**9}, "depth needs|num_hidden_layers"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "its first key is 'auto_map'"),
    ],
)
def test_settings_of_something_else_are_refused_before_anything_is_allocated(tmp_path, settings, message):
    (tmp_path / "config.json").write_text(json.dumps(settings))
    with pytest.raises(ValueError, match=message):
        from_preset(tmp_path)


def test_an_unknown_argument_is_refused_also_where_nothing_is_downloaded():
    for name in ("windw_size", "depth"):
        with pytest.raises(TypeError, match=f"Loading 'vit_digits' takes no argument '{name}'"):
            from_preset("vit_digits", **{name: 2})


def test_a_file_of_unknown_tensors_names_the_first(tmp_path):
    np.savez(tmp_path / "other.npz", some_kernel=np.zeros((2, 2), "float32"))
    with pytest.raises(ValueError, match="of no layout that keras_vit knows .* the first is 'some_kernel'"):
        from_preset(tmp_path / "other.npz")


def test_a_sharded_checkpoint_is_one_checkpoint(tmp_path, randomise):
    model = ViT(**TINY)
    randomise(model)
    folder = model.save_to_preset(tmp_path / "mine")
    with checkpoints.read(folder / "model.safetensors") as stored:
        tensors = {name: np.array(stored[name]) for name in stored}
    (folder / "model.safetensors").unlink()
    names = sorted(tensors)
    shards = {"model-00001-of-00002.safetensors": names[:9], "model-00002-of-00002.safetensors": names[9:]}
    for file, part in shards.items():
        checkpoints.write(folder / file, {name: tensors[name] for name in part})
    index = {"weight_map": {name: file for file, part in shards.items() for name in part}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    again = ViT.from_preset(folder)

    for path, weight in model.weights_by_path().items():
        np.testing.assert_array_equal(again.weights_by_path()[path].numpy(), weight.numpy())
