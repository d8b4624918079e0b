"""What is refused before an upload starts."""

import pytest

from keras_vit.hub import check_target, read_config
from keras_vit.hub.upload_checks import check_folder
from tests.hub.presets import write_preset

KERAS = {"registered_name": "keras_vit>ViT"}


@pytest.fixture
def preset(tmp_path):
    return write_preset(tmp_path / "my_vit")


def test_a_repository_is_named_with_its_owner():
    assert check_target("me/my_vit-2.0") == "me/my_vit-2.0"
    assert check_target("hf://me/vit", revision="v2/try", token="hf_me") == "me/vit"


@pytest.mark.parametrize(
    "name", ["vit", "me/vit/more", "../vit", "me/..", "me/", "me/vit@main", "https://a.b/me/vit", ""]
)
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match='Publishing needs a repository "owner/name"'):
        check_target(name)


@pytest.mark.parametrize("revision", ["", "../../main", "/main", "a..b", "a b", "a\nb", "a" * 256, "0" * 40])
def test_a_revision_is_a_branch(revision):
    with pytest.raises(ValueError, match="revision needs the name of a branch"):
        check_target("me/vit", revision=revision)


def test_a_pull_request_is_to_the_main_branch():
    with pytest.raises(ValueError, match="create_pr=True is for the main branch"):
        check_target("me/vit", revision="v2", create_pr=True)


@pytest.mark.parametrize("token", ["hf_secret\n", " hf_secret", "hf_sécret", ""])
def test_a_token_that_no_header_can_carry_is_refused_and_not_shown(token):
    with pytest.raises(ValueError, match="token needs to be one word") as caught:
        check_target("me/vit", token=token)
    assert "hf_s" not in str(caught.value)


@pytest.mark.parametrize("name", ["README.md", "model.safetensors"])
def test_a_preset_is_complete(preset, name):
    (preset / name).unlink()
    with pytest.raises(ValueError, match=f"lacks {name}"):
        check_folder(preset)


def test_a_card_with_faults_is_refused_and_all_are_named(preset):
    (preset / "LICENSE").unlink()
    (preset / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    with pytest.raises(ValueError, match="needs a card without faults") as caught:
        check_folder(preset)
    for fault in ("library_name", "license needs to be that of the weights, 'mit'", "LICENSE is missing"):
        assert f"{fault}" in str(caught.value)


@pytest.mark.parametrize("card", ["# vit\n", "---\nlicense: [mit\n---\n", "---\n- mit\n---\n", ""])
def test_a_card_without_readable_metadata_is_refused(preset, card):
    (preset / "README.md").write_text(card)
    with pytest.raises(ValueError, match="needs a card without faults"):
        check_folder(preset)


def test_a_config_that_promises_keras_files_needs_them(tmp_path):
    folder = write_preset(tmp_path / "vit", **KERAS)
    with pytest.raises(ValueError, match="lacks metadata.json, model.weights.h5"):
        check_folder(folder)


def test_a_folder_for_transformers_may_be_uploaded(preset):
    (preset / "config.json").write_text('{"model_type": "vit", "keras_vit_version": "0.1.0"}')
    (preset / "preprocessor_config.json").write_text("{}")
    assert "preprocessor_config.json" in check_folder(preset)


def test_the_model_of_somebody_else_is_refused(preset):
    (preset / "config.json").write_text('{"model_type": "vit"}')
    with pytest.raises(ValueError, match="needs a folder that keras_vit wrote"):
        check_folder(preset)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no preset folder"):
        check_folder(tmp_path / "none")


@pytest.mark.parametrize("name", ["LICENSE", "model.safetensors"])
def test_links_are_refused(tmp_path, preset, name):
    (tmp_path / "secret").write_text("private key")
    (preset / name).unlink()
    (preset / name).symlink_to(tmp_path / "secret")
    with pytest.raises(ValueError, match=f"needs plain files; {name}"):
        check_folder(preset)


@pytest.mark.parametrize("content", [b"", b"\x80\x04pickle", b"version https://git-lfs.github.com/spec/v1\n"])
def test_damaged_weights_are_refused(preset, content):
    (preset / "model.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="model.safetensors is damaged"):
        check_folder(preset)


def test_cut_weights_are_refused(preset):
    weights = preset / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(ValueError, match="model.safetensors is damaged"):
        check_folder(preset)


def test_weights_without_a_known_licence_are_refused(tmp_path):
    with pytest.raises(ValueError, match="needs to know the licence"):
        check_folder(write_preset(tmp_path / "vit", provenance={}))


def test_the_licence_is_not_changed_by_the_way(preset, tmp_path):
    source = {"repo_id": "them/vit", "revision": "0" * 40}
    theirs = write_preset(tmp_path / "vit", provenance={"license": "cc-by-nc-4.0", "source": source})
    check_folder(theirs)
    check_folder(theirs, "cc-by-nc-4.0")
    with pytest.raises(ValueError, match="cc-by-nc-4.0"):
        check_folder(theirs, "mit")
    with pytest.raises(ValueError, match="license needs to be what the folder says, 'mit'; got license='apache-2.0'"):
        check_folder(preset, "apache-2.0")


def test_terms_of_a_company_are_published_by_who_names_them(tmp_path):
    provenance = {"license": "apple-amlr", "source": {"repo_id": "apple/vit", "revision": "0" * 40}}
    folder = write_preset(tmp_path / "vit", provenance=provenance)
    assert read_config(folder)["keras_vit"]["provenance"] == provenance
    with pytest.raises(ValueError, match="apple-amlr"):
        check_folder(folder)
    assert check_folder(folder, "apple-amlr")
