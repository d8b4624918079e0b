"""Model cards: metadata that the Hub can read, facts only, examples that run."""

import re
import types
from pathlib import Path

import pytest

from keras_vit.hub import MIT_TEXT, CardRecord, build_card, licence_text

EVALUATION = {"dataset": "digits", "split": "test", "num_images": 360, "accuracy": 0.988889, "date": "2026-01-02"}


def make_record(**changes):
    facts = {
        "name": "vit_digits",
        "class_name": "ViT",
        "parameters": 203_018,
        "image_size": (8, 8),
        "in_channels": 1,
        "num_classes": 10,
        "version": "0.1.0",
        "labels": tuple("0123456789"),
        "preprocessing": {"image_size": [8, 8], "num_channels": 1, "interpolation": "bicubic", "mean": [0.5]},
        "config": {"patch_size": [2, 2], "embed_dim": 64, "depth": 6, "num_heads": 4, "dropout_rate": 0.0},
        "provenance": {
            "license": "mit",
            "training": {"dataset": "digits", "learning_rate": 0.002, "use_augmentation": True, "clip": None},
            "evaluation": EVALUATION,
        },
    }
    return CardRecord(**{**facts, **changes})


def metadata_of(card):
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load(card.split("---\n")[1])


def code_of(card):
    return re.findall(r"```python\n(.*?)```", card, re.DOTALL)


# Metadata.


def test_metadata_says_what_the_hub_needs():
    assert metadata_of(build_card(make_record())) == {
        "license": "mit",
        "library_name": "keras_vit",
        "pipeline_tag": "image-classification",
        "tags": ["keras", "keras_vit", "vision-transformer", "computer-vision", "image-classification"],
        "model-index": [
            {
                "name": "vit_digits",
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {
                            "type": "digits",
                            "name": "digits",
                            "split": "test",
                            "args": {"num_images": 360},
                        },
                        "metrics": [{"type": "accuracy", "name": "Accuracy", "value": 0.988889}],
                    }
                ],
            }
        ],
    }


def test_the_hub_client_reads_the_metadata():
    hub = pytest.importorskip("huggingface_hub")
    data = hub.ModelCard(build_card(make_record())).data
    assert data.license == "mit"
    assert data.library_name == "keras_vit"
    (result,) = data.eval_results
    assert (result.metric_type, result.metric_value, result.dataset_split) == ("accuracy", 0.988889, "test")


def test_accuracy_is_a_plain_number():
    np = pytest.importorskip("numpy")
    for accuracy in (np.float32(0.5), np.float64(0.5), 0.5, 1, 0):
        evaluation = {**EVALUATION, "accuracy": accuracy, "num_images": np.int64(360)}
        metadata = metadata_of(build_card(make_record(provenance={"evaluation": evaluation})))
        value = metadata["model-index"][0]["results"][0]["metrics"][0]["value"]
        assert type(value) is float
        assert value == accuracy


def test_a_tiny_number_stays_a_number():
    evaluation = {**EVALUATION, "accuracy": 1e-5}
    metadata = metadata_of(build_card(make_record(provenance={"evaluation": evaluation})))
    assert metadata["model-index"][0]["results"][0]["metrics"][0]["value"] == 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"accuracy": float("nan")}, "evaluation.accuracy needs a share from 0 to 1; got nan"),
        ({"accuracy": 98.9}, "evaluation.accuracy needs a share"),
        ({"accuracy": "0.98"}, "evaluation.accuracy needs a share"),
        ({"num_images": 0}, "evaluation.num_images needs a whole number >= 1; got 0"),
        ({"accuracy": True, "num_images": 1.5}, "evaluation.accuracy .*; evaluation.num_images"),
    ],
)
def test_numbers_that_cannot_be_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        make_record(provenance={"evaluation": {**EVALUATION, **changes}})


@pytest.mark.parametrize(
    "text", ["yes", "Null", "2026", "1e5", "a: b", "#x", "- x", 'a "b"', "*", "größe", "a\nb", "\x7f\u2028", " x", ""]
)
def test_any_text_survives_as_text(text):
    provenance = {"evaluation": {**EVALUATION, "dataset": text or "x", "split": text}}
    result = metadata_of(build_card(make_record(name=text, provenance=provenance)))["model-index"][0]
    assert result["name"] == text
    assert result["results"][0]["dataset"].get("split", "") == text


def test_a_licence_of_its_own_kind_is_named_and_linked():
    provenance = {"license": "other", "license_name": "dinov3-license", "license_link": "LICENSE.md"}
    card = build_card(make_record(provenance=provenance))
    assert {key: metadata_of(card)[key] for key in provenance} == provenance
    assert "under the licence `dinov3-license`; see LICENSE.md." in card


def test_the_source_is_the_base_model():
    source = {"repo_id": "timm/vit_tiny", "revision": "0123abc"}
    converted = build_card(make_record(provenance={"source": source}))
    assert metadata_of(converted)["base_model"] == "timm/vit_tiny"
    assert "base_model_relation" not in metadata_of(converted)
    assert "| Source: Revision | 0123abc |" in converted
    tuned = build_card(make_record(provenance={"source": source, "training": {"epochs": 3}}))
    assert metadata_of(tuned)["base_model_relation"] == "finetune"


# Text.


def test_the_facts_are_there():
    card = build_card(make_record(keras_version="3.15.1"))
    for line in (
        "# vit_digits",
        "| Parameters | 203,018 |",
        "| Image size | 8 x 8 pixels |",
        "| Channels | 1 (grey) |",
        "| Patch size | 2 x 2 |",
        "| Encoder layers | 6 |",
        "| Number of classes | 10 |",
        "| Classes | 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 |",
        "| Written by | keras_vit 0.1.0, Keras 3.15.1 |",
        "| Interpolation | bicubic, antialiased |",
        "| Learning rate | 0.002 |",
        "| Use augmentation | yes |",
        "| Accuracy | 98.89 % (356 of 360 images) |",
        "| Split | test |",
        "| Date | 2026-01-02 |",
    ):
        assert line in card.splitlines()
    assert "classifies images into 10 classes. It was trained on `digits`." in card
    assert "None" not in card


def test_sections_without_facts_are_left_out():
    card = build_card(make_record(provenance={}, preprocessing={}, labels=None))
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == ["Details", "Usage"]
    assert "license" not in card
    assert "model-index" not in card
    assert "| Classes |" not in card


def test_many_classes_are_counted():
    card = build_card(make_record(num_classes=1000, labels=[f"class {index}" for index in range(1000)]))
    assert "| Number of classes | 1,000 |" in card
    assert "class 19, ... (all in config.json)" in card
    assert "class 20" not in card


def test_text_cannot_leave_its_table_cell():
    card = build_card(make_record(labels=["a|b", "c\nd", *"234567", "8", "9"], name="line\nbreak"))
    assert "| Classes | a\\|b, c d, 2, 3, 4, 5, 6, 7, 8, 9 |" in card.splitlines()
    assert "# line break" in card.splitlines()


def test_groups_of_settings_are_flattened():
    provenance = {"training": {"optimizer": {"name": "adamw", "betas": [0.9, 0.999]}}}
    card = build_card(make_record(provenance=provenance))
    assert "| optimizer.name | adamw |" in card
    assert "| optimizer.betas | 0.9, 0.999 |" in card


def test_the_command_that_reproduces_it_is_shown():
    card = build_card(make_record(provenance={"training": {"command": "keras-vit train digits"}}))
    assert "```bash\nkeras-vit train digits\n```" in card
    assert "| Command |" not in card


def test_any_image_size_is_said():
    assert "| Image size | any |" in build_card(make_record(image_size=None))


# Examples.


def fake_package(monkeypatch, calls):
    class Model:
        preprocessing = staticmethod(lambda image: calls.append(("preprocessing", image)) or "pixels")

        def classify(self, image, top):
            calls.append(("classify", image, top))
            return [("3", 0.98), ("8", 0.01)]

        def predict(self, images):
            calls.append(("predict", images))
            return types.SimpleNamespace(shape=(1, 64))

    module = types.SimpleNamespace(from_preset=lambda *args, **kwargs: calls.append((args, kwargs)) or Model())
    monkeypatch.setitem(__import__("sys").modules, "keras_vit", module)


def test_the_examples_run_as_printed(monkeypatch, capsys):
    card, calls = build_card(make_record()), []
    fake_package(monkeypatch, calls)
    for code in code_of(card):
        exec(code, {})
    assert calls == [(("vit_digits",), {}), ("classify", "image.png", 5), (("vit_digits",), {"num_classes": 3})]
    assert capsys.readouterr().out == "3: 0.980\n8: 0.010\n"


def test_the_examples_of_a_model_without_head_run_as_printed(monkeypatch, capsys):
    card, calls = build_card(make_record(num_classes=0, labels=None)), []
    fake_package(monkeypatch, calls)
    for code in code_of(card):
        exec(code, {})
    assert ("predict", "pixels") in calls
    assert capsys.readouterr().out == "(1, 64)\n"
    assert metadata_of(card)["pipeline_tag"] == "image-feature-extraction"


def test_the_examples_name_what_the_reader_has(monkeypatch):
    card = build_card(make_record(usage_name='./my "vit"'))
    assert code_of(card)[0].count(r'from_preset("./my \"vit\"")') == 1


# Licences.


def test_the_mit_text_is_the_repositorys():
    licence = Path(__file__).parents[2] / "LICENSE"
    if not licence.is_file():
        pytest.skip("not in a checkout")
    assert licence.read_text(encoding="utf-8") == MIT_TEXT


def test_licence_texts():
    assert licence_text("mit") == licence_text("MIT") == MIT_TEXT
    assert licence_text("apache-2.0") == "The weights in this folder are under the licence: apache-2.0\n"
    assert licence_text(None) is None
