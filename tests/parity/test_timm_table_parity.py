"""The tables of architectures, checkpoints and class names are those of live timm."""

import gzip

import pytest

from keras_vit.models import catalogue, labels

timm = pytest.importorskip("timm")

from tests.parity import timm_table  # noqa: E402  (after the check that timm is there)
from tests.sampling import IS_SHORT  # noqa: E402

pytestmark = pytest.mark.parity

# timm is pinned, so that the tables change with its version alone: where not all run, one in ten does.
ARCHITECTURES = ["Swin"] if IS_SHORT else list(catalogue.ARCHITECTURES)
ALL = [preset for preset in catalogue.list_presets() if preset.timm_settings and not preset.alias_of]
CHECKPOINTS = ALL[:: 10 if IS_SHORT else 1]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_architectures_are_those_of_timm(architecture):
    tables = timm_table.tables_of(architecture)
    assert timm_table.read_rows(tables.architectures_file) == timm_table.architecture_rows(architecture)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_checkpoints_are_those_of_timm(architecture):
    rows = timm_table.read_rows(timm_table.tables_of(architecture).checkpoints_file)
    for row in rows:
        del row["top1"], row["top5"]
    assert rows == list(timm_table.checkpoint_rows(architecture))


@pytest.mark.parametrize("preset", CHECKPOINTS, ids=lambda preset: preset.name)
def test_preprocessing_is_that_of_timms_evaluation(preset):
    theirs = timm.data.resolve_data_config(pretrained_cfg=timm.get_pretrained_cfg(preset.name).to_dict())
    assert preset.preprocessing == {
        "image_size": theirs["input_size"][1:],
        "num_channels": theirs["input_size"][0],
        "crop_fraction": theirs["crop_pct"],
        "crop_mode": theirs["crop_mode"],
        "interpolation": theirs["interpolation"],
        "mean": theirs["mean"],
        "std": theirs["std"],
    }


@pytest.mark.parametrize("preset", CHECKPOINTS, ids=lambda preset: preset.name)
def test_label_sets_are_those_that_timm_infers(preset):
    subset = timm.data.infer_imagenet_subset({"num_classes": preset.num_classes})
    assert timm_table.SUBSETS.get(preset.labels) == subset


@pytest.mark.parametrize(("dataset", "subset"), timm_table.SUBSETS.items())
def test_class_names_are_those_of_timm(dataset, subset):
    assert list(labels.class_names(dataset)) == timm.data.ImageNetInfo(subset).label_descriptions()


def test_the_table_of_synsets_is_what_the_command_writes():
    table = "".join("\t".join(row) + "\n" for row in timm_table.synset_rows())
    assert gzip.decompress(labels.SYNSETS_FILE.read_bytes()).decode() == table


def test_every_label_set_has_a_counterpart_in_timm():
    assert timm_table.SUBSETS.keys() == labels.NUM_CLASSES.keys()
