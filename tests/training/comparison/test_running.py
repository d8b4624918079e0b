import csv
import json

import pytest
from PIL import Image

from keras_vit.training.comparison import ComparisonSettings, compare

pytest.importorskip("sklearn", reason="needs the extra `data`")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compared(tiny_preset, tmp_path_factory):
    settings = ComparisonSettings(
        models=(str(tiny_preset), "cnn"), steps=4, batch_size=20, seeds=(1,), fractions=(0.03,)
    )
    folder = tmp_path_factory.mktemp("comparison") / "runs"
    return settings, folder, compare(settings, folder, use_processes=False)


def read_table(file):
    return list(csv.DictReader(file.read_text().splitlines()))


def test_all_models_are_trained_alike(compared):
    settings, folder, comparison = compared

    found = [(row.model, row.fraction, row.num_images) for row in comparison.rows]
    assert found == [(settings.models[0], 0.03, 40), ("cnn", 0.03, 40)]  # of 139 to 146 images of a class, 4
    assert all(0 <= row.mean <= 1 and row.spread is None for row in comparison.rows)
    assert all(row.images_per_second > 0 and row.memory_mb is None for row in comparison.rows)
    cells = read_table(folder / "cells.csv")
    assert {(cell["epochs"], cell["steps"]) for cell in cells} == {("2", "4")}
    assert len({cell["learning_rate"] for cell in cells}) == 1


def test_cnn_has_as_many_parameters_as_the_vit(compared):
    vit, cnn, *_ = compared[2].rows

    assert abs(cnn.num_parameters / vit.num_parameters - 1) <= 0.02


def test_table_and_curves_are_written(compared):
    _, folder, comparison = compared

    text = (folder / "comparison.md").read_text()
    assert str(comparison) in text
    assert "| cnn | 40 (3 %) |" in text
    with Image.open(folder / "learning_curves.png") as image:
        assert image.format == "PNG"
    assert [row["model"] for row in read_table(folder / "comparison.csv")][1] == "cnn"


def test_finished_trainings_are_not_run_again_and_more_can_be_asked_for(compared, monkeypatch):
    settings, folder, comparison = compared
    trained = []

    def train(settings, cell):
        trained.append(cell)
        found = json.loads((folder / "cells" / "cnn-seed_1-fraction_0.03.json").read_text())
        return {**found, "model": cell.model, "seed": cell.seed, "fraction": cell.fraction, "accuracy": 0.5}

    monkeypatch.setattr("keras_vit.training.comparison.running.train_cell", train)

    assert compare(settings, folder, use_processes=False).rows == comparison.rows
    assert trained == []

    result = compare(settings.replace(seeds=(1, 2)), folder, use_processes=False)
    assert [(cell.model, cell.seed) for cell in trained] == [(settings.models[0], 2), ("cnn", 2)]
    first, second = comparison.rows[1].accuracies[0], 0.5
    assert result.rows[1].accuracies == (first, second)
    assert result.rows[1].mean == pytest.approx((first + second) / 2)
    assert result.rows[1].spread == pytest.approx(abs(first - second) / 2**0.5)


def test_other_settings_are_listed_before_anything_is_trained(compared):
    settings, folder, _ = compared

    with pytest.raises(ValueError, match=r"different are:\n- recipe: .*\n- batch_size: 32 asked for, 20 there"):
        compare(settings.replace(batch_size=32, recipe="simple_vit_90ep"), folder)


def test_folder_of_something_else_is_left_alone(tmp_path, tiny_preset):
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(ValueError, match="holds files that are no comparison"):
        compare(ComparisonSettings(models=(str(tiny_preset),), epochs=1), tmp_path)


def test_wrong_model_is_found_before_the_first_training(tmp_path, tiny_preset):
    settings = ComparisonSettings(models=(str(tiny_preset), "applications:MobilNetV2"), epochs=1)

    with pytest.raises(ValueError, match="no 'MobilNetV2'. Did you mean MobileNetV2"):
        compare(settings, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
