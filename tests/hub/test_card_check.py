"""Checks of cards: a good one passes, and every kind of fault is named."""

import json
import re

import pytest

from keras_vit.hub import build_card, check_card, licence_text
from tests.hub.records import make_record

PROVENANCE = make_record().provenance


@pytest.fixture
def folder(tmp_path):
    """A folder as `save_to_preset` leaves it, as far as a card is concerned."""
    write(tmp_path, PROVENANCE)
    return tmp_path


def write(folder, provenance, **changes):
    settings = {"keras_vit": {"class": "ViT", "config": {}, "provenance": provenance}}
    (folder / "config.json").write_text(json.dumps(settings))
    (folder / "README.md").write_text(build_card(make_record(provenance=provenance, **changes)), encoding="utf-8")
    (folder / "LICENSE").write_text(licence_text(provenance) or "")


def replace(folder, old, new):
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8")
    assert old in text
    card.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_the_cards_that_the_package_writes_are_good(folder):
    assert check_card(folder) == []
    source = {"repo_id": "timm/vit_tiny", "revision": "a" * 40}
    for provenance in (
        {"license": "apache-2.0", "source": source},
        {"license": "cc-by-nc-4.0", "source": source, "changes": ["fine-tuned"]},
        {"license": "nvidia-open-model-license", "source": source},
        {"license": "other", "license_name": "mine", "license_link": "LICENSE"},
    ):
        write(folder, provenance)
        assert check_card(folder) == []
    write(folder, PROVENANCE, num_classes=0, labels=None, repo_id="me/my_vit", layout="timm")
    assert check_card(folder) == []


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("license: mit\n", "", "The metadata need license"),
        ("library_name: keras_vit\n", "", "The metadata need library_name"),
        ("pipeline_tag: image-classification\n", "", "The metadata need pipeline_tag"),
        ("license: mit", "license: free", "a name that the Hub knows, or other; got 'free'"),
        ("license: mit", "license: [mit]", r"a name that the Hub knows, or other; got \['mit'\]"),
        ("license: mit", "license: apache-2.0", "that of the weights, 'mit'; got 'apache-2.0'"),
        ("license: mit", "license: other", "license: other needs license_name"),
        ("library_name: keras_vit", "library_name: timm", "keras or keras_vit; got 'timm'"),
        ("library_name: keras_vit", "library_name: keras", "metadata.json and model.weights.h5 are missing"),
        ("pipeline_tag: image-classification", "pipeline_tag: vision", "got 'vision'"),
        ("  - computer-vision\n", "", "tags need computer-vision"),
        ("license: mit", "license: mit\nbase_model: vit", 'base_model needs .* "owner/name"; got'),
        ("license: mit", "license: mit\nbase_model_relation: copy", "base_model_relation needs to be one of"),
        ("license: mit", "license: mit\ndatasets: digits", "datasets need to be a list"),
        ("value: 0.988889", "value: .nan", "model-index needs finite numbers; got accuracy: nan"),
        ("value: 0.988889", "value: 1e-05", "model-index needs finite numbers; got accuracy: '1e-05'"),
        ("value: 0.988889", "value: 0.99", "needs what was measured; got accuracy: 0.99, but accuracy: 0.988889"),
        ("type: accuracy", "type: f1", "needs what was measured; got f1"),
        ("model-index:", "model-index: 3\nold:", "model-index needs a list of models"),
        ("# vit_digits", "# vit_digits\n![curves](curves.png)", "links to curves.png, which is not in the folder"),
        ("# vit_digits", "# vit_digits\n[up](../secret.txt)", r"links to ../secret.txt, which is not in the folder"),
        ("license: mit", "license: {mit", "The metadata need to be YAML"),
        ("license: mit", "license: !!python/object:os.system x", "The metadata need to be YAML"),
    ],
)
def test_faults_are_named(folder, old, new, fault):
    (folder.parent / "secret.txt").write_text("x")
    replace(folder, old, new)
    assert re.search(fault, "\n".join(check_card(folder)))


def test_metadata_that_are_no_mapping_are_named(folder):
    (folder / "README.md").write_text("---\n- a list\n---\n")
    assert check_card(folder) == ["The metadata need to be a YAML mapping."]
    (folder / "README.md").write_text("# Model\n")
    (problem,) = check_card(folder)
    assert problem.startswith("README.md needs metadata")
    (folder / "README.md").write_bytes(b"\xff\xff")
    assert check_card(folder) == ["README.md needs to be UTF-8 text."]


def test_results_that_nobody_measured_are_named(folder):
    settings = {"keras_vit": {"class": "ViT", "config": {}, "provenance": {"license": "mit"}}}
    (folder / "config.json").write_text(json.dumps(settings))
    (problem,) = check_card(folder)
    assert problem == "model-index needs what was measured; got accuracy: 0.988889, but nothing was measured."


def test_another_source_is_named(folder):
    write(folder, {"license": "mit", "source": {"repo_id": "timm/vit_tiny"}})
    replace(folder, "base_model: timm/vit_tiny", "base_model: timm/vit_small")
    (problem,) = check_card(folder)
    assert problem == "base_model needs to be the source of the weights, 'timm/vit_tiny'; got 'timm/vit_small'."


def test_missing_files_are_named(folder):
    (folder / "LICENSE").unlink()
    assert check_card(folder) == ["LICENSE is missing or empty; save the model again."]
    (folder / "README.md").unlink()
    assert check_card(folder) == ["README.md is missing; save the model again."]
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"needs a config.json"):
        check_card(folder)


def test_files_that_links_lead_to_are_found(folder):
    (folder / "curves.png").write_bytes(b"png")
    replace(folder, "# vit_digits", "# vit_digits\n![curves](curves.png) [part](#usage) [site](https://example.org/x)")
    assert check_card(folder) == []
