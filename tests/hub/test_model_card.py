"""Model cards: metadata that the Hub can read, facts only, examples that run."""

import re
import types

import pytest

from keras_vit.hub import FINE_TUNED, Paper, build_card
from tests.hub.records import EVALUATION, code_of, make_record, metadata_of

SOURCE = {"repo_id": "timm/vit_tiny", "revision": "0123abc"}
PAPER = Paper(key="doe2020vit", title="On Words & Images", authors="Jane Doe and others", year=2020, arxiv="2001.00001")

# Metadata.


def test_metadata_says_what_the_hub_needs():
    assert metadata_of(build_card(make_record())) == {
        "license": "mit",
        "library_name": "keras_vit",
        "pipeline_tag": "image-classification",
        "tags": ["keras", "keras_vit", "vision-transformer", "computer-vision", "image-classification"],
        "metrics": ["accuracy"],
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
    assert "under the licence `dinov3-license`; see the file LICENSE and LICENSE.md." in card


def test_the_source_is_the_base_model():
    converted = build_card(make_record(provenance={"source": SOURCE}))
    assert metadata_of(converted)["base_model"] == "timm/vit_tiny"
    assert "base_model_relation" not in metadata_of(converted)
    for facts in ({"training": {"epochs": 3}}, {"changes": [FINE_TUNED]}):
        tuned = build_card(make_record(provenance={"source": SOURCE, **facts}))
        assert metadata_of(tuned)["base_model_relation"] == "finetune"


def test_a_licence_that_the_hub_does_not_know_is_named():
    metadata = metadata_of(build_card(make_record(provenance={"license": "nvidia-open-model-license"})))
    assert (metadata["license"], metadata["license_name"]) == ("other", "nvidia-open-model-license")
    assert metadata["license_link"].startswith("https://")


def test_data_sets_are_listed():
    assert metadata_of(build_card(make_record(datasets=["imagenet-1k"])))["datasets"] == ["imagenet-1k"]
    assert "datasets" not in metadata_of(build_card(make_record()))


def test_keras_is_the_library_where_its_files_are():
    assert metadata_of(build_card(make_record(has_keras_files=True)))["library_name"] == "keras"
    assert metadata_of(build_card(make_record()))["library_name"] == "keras_vit"


def test_reported_figures_are_no_results():
    reported = {"top1": 75.46, "top5": 92.84, "source": "timm's table"}
    card = build_card(make_record(provenance={"source": SOURCE}, reported=reported))
    assert "model-index" not in metadata_of(card)
    assert "Reported by timm's table; not measured with keras_vit." in card
    assert "| ImageNet-1k top-1, reported | 75.46 % |" in card
    assert "| ImageNet-1k top-5, reported | 92.84 % |" in card


# Text.


def test_the_facts_are_there():
    card = build_card(make_record(keras_version="3.15.1", macs=3_401_000, papers=[PAPER]))
    for line in (
        "# vit_digits",
        "| Parameters | 203,018 |",
        "| Multiply-accumulates | 3.40 M for an image |",
        "| Image size | 8 x 8 pixels |",
        "| Channels | 1 (grey) |",
        "| Patch size | 2 x 2 |",
        "| Encoder layers | 6 |",
        "| Number of classes | 10 |",
        "| Classes | 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 |",
        "| Paper | [On Words & Images](https://arxiv.org/abs/2001.00001) |",
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
    assert re.findall(r"^## (.*)$", card, re.MULTILINE) == ["Details", "Usage", "Limits"]
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


def test_the_curves_are_shown_where_the_model_was_trained():
    picture = "![Loss and accuracy over the epochs](curves.png)"
    assert picture in build_card(make_record(curves_file="curves.png"))
    assert picture not in build_card(make_record())
    assert picture not in build_card(make_record(provenance={}, curves_file="curves.png"))


def test_where_the_weights_come_from_is_linked():
    source = {"repo_id": "timm/vit_tiny", "revision": "a" * 40, "file": "model.safetensors"}
    card = build_card(make_record(provenance={"source": source, "license": "apache-2.0", "changes": [FINE_TUNED]}))
    link = f"[timm/vit_tiny](https://huggingface.co/timm/vit_tiny/tree/{'a' * 40}), revision `{'a' * 40}`"
    assert f"| Source of the weights | {link} |" in card
    assert "| Source: File | model.safetensors |" in card
    assert "| Changes to the weights | converted to the names and shapes of keras_vit; fine-tuned |" in card
    assert "It is the licence of their source. They have been changed: converted" in card


@pytest.mark.parametrize("repo_id", ["a](https://example.org", "../x", "a/b/c", "a|b", 3])
def test_a_source_that_is_no_repository_is_not_linked(repo_id):
    card = build_card(make_record(provenance={"source": {"repo_id": repo_id}}))
    assert "](https://huggingface.co" not in card


def test_limits_say_what_the_record_knows():
    card = build_card(make_record(provenance={"license": "cc-by-nc-4.0", "evaluation": EVALUATION}))
    assert "- For every image it names some of its 10 classes, also where the image shows none of them." in card
    assert "- It sees images at 8 x 8 pixels" in card
    assert "- Its accuracy is known for 360 images of `digits` and no others." in card
    assert "- Its licence allows no commercial use" in card
    unmeasured = build_card(make_record(provenance={"license": "mit", "source": SOURCE}))
    assert "- Its accuracy has not been measured with keras_vit." in unmeasured
    assert "commercial" not in unmeasured
    assert "- ImageNet's own terms" in build_card(make_record(datasets=["imagenet-1k"]))


def test_papers_are_cited():
    card = build_card(make_record(papers=[PAPER, PAPER]))
    assert f"## Citation\n\n```bibtex\n{PAPER.bibtex}\n\n{PAPER.bibtex}\n```\n" in card
    assert r"  title = {{On Words \& Images}}," in card


def test_a_command_stays_in_its_block():
    card = build_card(make_record(provenance={"training": {"command": "train\n```\n# Broken out"}}))
    assert "# Broken out" not in card.splitlines()


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


def test_the_examples_are_for_those_that_can_load_the_folder():
    def readers(**changes):
        codes = code_of(build_card(make_record(**changes)))
        return [
            name for name in ("keras", "timm", "transformers") if re.search(rf"(import|from) {name}\b(?!_)", str(codes))
        ]

    assert readers() == []
    assert readers(has_keras_files=True) == ["keras"]
    assert readers(layout="timm") == readers(layout="timm", in_channels=3) == ["timm", "transformers"]
    assert readers(layout="transformers", in_channels=3) == ["transformers"]
    assert readers(layout="timm", in_channels=5) == []


def test_the_examples_name_the_repository():
    card = build_card(make_record(repo_id="me/my_vit", layout="timm", in_channels=3, has_keras_files=True))
    for line in (
        'model = keras_vit.from_preset("me/my_vit")',
        'model = keras.saving.load_model("hf://me/my_vit")',
        'model = timm.create_model("hf-hub:me/my_vit", pretrained=True).eval()',
        'model = AutoModelForImageClassification.from_pretrained("me/my_vit").eval()',
    ):
        assert line in card.splitlines()


def test_the_examples_name_what_the_reader_has(monkeypatch):
    card = build_card(make_record(name='my "vit"'))
    assert code_of(card)[0].count(r'from_preset("my \"vit\"")') == 1
