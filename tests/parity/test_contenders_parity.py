"""Models of KerasHub and keras.applications themselves, as a comparison builds and trains them."""

import keras
import pytest

from keras_vit.training import ComparisonSettings, compare
from keras_vit.training.comparison.contenders import build_contender, build_reference

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def hub_preset(tmp_path_factory):
    """A preset of KerasHub's own kind: an untrained ViT for three classes of 32 x 32 pixels in colour."""
    import keras_hub

    backbone = keras_hub.models.ViTBackbone(
        image_shape=(32, 32, 3), patch_size=16, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    folder = tmp_path_factory.mktemp("keras_hub") / "vit"
    keras_hub.models.ViTImageClassifier(backbone=backbone, num_classes=3).save_to_preset(str(folder))
    return folder


def test_models_of_other_libraries_are_trained_beside_ours(hub_preset, tiny_preset, tmp_path):
    names = (str(tiny_preset), f"keras_hub:{hub_preset}@32", "applications:MobileNetV2@32")
    settings = ComparisonSettings(models=names, epochs=1, batch_size=512, seeds=(0,), fractions=(0.1,))
    result = compare(settings, tmp_path / "comparison", use_processes=False)
    assert [row.model for row in result.rows] == list(names)
    assert all(row.num_parameters > 0 and row.macs > 0 for row in result.rows)


def test_images_that_a_model_of_keras_hub_cannot_take_name_the_way_out(hub_preset, tiny_preset):
    settings = ComparisonSettings(models=(str(tiny_preset), f"keras_hub:{hub_preset}"), epochs=1)
    with pytest.raises(ValueError, match=r"cannot be built for images of 8 x 8 pixels: .*\n.*vit@32"):
        build_contender(settings.models[1], settings, build_reference(settings).preprocessing, 10)
    model = build_contender(f"{settings.models[1]}@32", settings, build_reference(settings).preprocessing, 10)
    assert isinstance(model, keras.Model)
    assert model.output_shape == (None, 10)
