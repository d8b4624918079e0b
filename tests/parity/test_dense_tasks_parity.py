"""Dense tasks against PyTorch, transformers' VitDet, and the detectors and segmenters of KerasCV and KerasHub."""

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from keras_vit import Swin, ViT, feature_pyramid  # noqa: E402 - needs the two above
from keras_vit.layers import PyramidLevel  # noqa: E402
from tests.layers.checks import to_numpy  # noqa: E402

pytestmark = pytest.mark.parity

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="KerasCV trains on TensorFlow alone in this environment"
)


class ChannelNorm(torch.nn.Module):
    """Detectron2's LayerNorm over the channels of (batch, channels, height, width)."""

    def __init__(self, width):
        super().__init__()
        self.norm = torch.nn.LayerNorm(width, eps=1e-6)

    def forward(self, maps):
        return self.norm(maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def simple_pyramid_stage(scale, width, out_width):
    """One stage of SimpleFeaturePyramid. Source: Detectron2, `modeling/backbone/vit.py`."""
    nn = torch.nn
    if scale == 4.0:
        first = [nn.ConvTranspose2d(width, width // 2, 2, 2), ChannelNorm(width // 2), nn.GELU()]
        layers, width = [*first, nn.ConvTranspose2d(width // 2, width // 4, 2, 2)], width // 4
    elif scale == 2.0:
        layers, width = [nn.ConvTranspose2d(width, width // 2, 2, 2)], width // 2
    else:
        layers = [] if scale == 1.0 else [nn.MaxPool2d(2, 2)]
    layers += [nn.Conv2d(width, out_width, 1, bias=False), ChannelNorm(out_width)]
    layers += [nn.Conv2d(out_width, out_width, 3, padding=1, bias=False), ChannelNorm(out_width)]
    return nn.Sequential(*layers)


@pytest.mark.parametrize(("scale", "num_doublings"), [(4.0, 2), (2.0, 1), (1.0, 0), (0.5, -1)])
def test_levels_equal_those_of_detectron2(randomise, rng, scale, num_doublings):
    level = PyramidLevel(num_doublings, 6)
    level.build((None, 4, 6, 8))
    randomise(level)
    stage = simple_pyramid_stage(scale, 8, 6)
    ours = {weight.path[len(level.path) + 1 :]: torch.from_numpy(to_numpy(weight.value)) for weight in level.weights}
    upper = [name for index in range(num_doublings) for name in (f"doubling_norm_{index}", f"doubling_{index}")][1:]
    names = [*upper, "project", "project_norm", "smooth", "smooth_norm"]
    modules = [module for module in stage if list(module.parameters())]
    for name, module in zip(names, modules, strict=True):
        norm = getattr(module, "norm", None)
        if norm is not None:
            norm.weight.data, norm.bias.data = ours[f"{name}/gamma"], ours[f"{name}/beta"]
            continue
        kernel = ours[f"{name}/kernel"]
        module.weight.data = kernel.T[..., None, None] if kernel.ndim == 2 else kernel.permute(3, 2, 0, 1)
        if module.bias is not None:
            module.bias.data = ours[f"{name}/bias"]
    patches = rng.normal(size=(2, 4, 6, 8)).astype("float32")
    with torch.no_grad():
        expected = stage(torch.from_numpy(patches).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(to_numpy(level(patches)), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("window_size", [3, 4], ids=["divides", "is_filled_up"])
def test_windows_equal_those_of_vitdet(randomise, rng, window_size):
    model = ViT(
        image_size=48,
        patch_size=8,
        embed_dim=16,
        depth=4,
        num_heads=2,
        window_size=window_size,
        num_global_layers=2,
        use_class_token=False,
        pooling="mean",
        use_final_norm=False,
        num_classes=0,
    )
    randomise(model)
    settings = transformers.VitDetConfig(
        hidden_size=16,
        num_hidden_layers=4,
        num_attention_heads=2,
        patch_size=8,
        image_size=48,
        pretrain_image_size=48,
        window_size=window_size,
        window_block_indices=[0, 2],
    )
    reference = transformers.VitDetModel(settings).eval()
    reference.load_state_dict(_vitdet_weights(model), strict=True)
    images = rng.normal(size=(2, 48, 48, 3)).astype("float32")
    with torch.no_grad():
        expected = reference(torch.from_numpy(images).permute(0, 3, 1, 2)).last_hidden_state.permute(0, 2, 3, 1)
    tokens = to_numpy(model.features(images))
    np.testing.assert_allclose(tokens, expected.reshape(2, 36, 16).numpy(), rtol=1e-4, atol=1e-4)


def _vitdet_weights(model):
    ours = {path: torch.from_numpy(to_numpy(weight.value)) for path, weight in model.weights_by_path().items()}
    names = {"attention_norm": "norm1", "mlp_norm": "norm2", "attention/qkv": "attention.qkv"}
    names |= {"attention/projection": "attention.proj", "mlp/expand": "mlp.fc1", "mlp/contract": "mlp.fc2"}
    kinds = {"kernel": "weight", "gamma": "weight", "beta": "bias", "bias": "bias"}
    positions = ours["positional_encoding/table"].reshape(1, 36, 16)
    found = {
        # One more in front, of a class token that VitDet leaves out.
        "embeddings.position_embeddings": torch.cat([torch.zeros(1, 1, 16), positions], dim=1),
        "embeddings.projection.weight": ours["patch_embedding/kernel"].permute(3, 2, 0, 1),
        "embeddings.projection.bias": ours["patch_embedding/bias"],
    }
    for path, values in ours.items():
        layer, _, rest = path.partition("/")
        if layer.startswith("encoder_"):
            part, _, kind = rest.rpartition("/")
            name = f"encoder.layer.{layer.removeprefix('encoder_')}.{names[part]}.{kinds[kind]}"
            found[name] = values.T if kind == "kernel" else values
    return found


@pytest.fixture(params=["plain", "hierarchical"])
def backbone(request):
    if request.param == "plain":
        model = ViT(image_size=64, patch_size=16, embed_dim=16, depth=2, num_heads=2, num_classes=0)
        return feature_pyramid(model, pyramid_dim=16)
    stages = {"depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "window_size": 4}
    return feature_pyramid(Swin(image_size=64, patch_size=4, embed_dim=8, **stages, num_classes=0))


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 64, 64, 3)).astype("float32")


BOXES = np.array([[[8, 8, 40, 40], [0, 0, 20, 20]]] * 2, "float32")
CLASSES = np.array([[0, 1]] * 2, "float32")


def assert_backbone_trains(backbone, fit):
    kernel = backbone.get_layer("encoder_0").attention.qkv.kernel
    before = to_numpy(kernel.value)
    history = fit()
    assert np.isfinite(history.history["loss"]).all()
    assert not np.array_equal(to_numpy(kernel.value), before)


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")  # of KerasCV and of Keras about levels that a task does not read
def test_a_detector_of_keras_cv_trains_on_our_backbone(backbone, images):
    keras_cv = pytest.importorskip("keras_cv")
    detector = keras_cv.models.RetinaNet(num_classes=2, bounding_box_format="xyxy", backbone=backbone)
    detector.compile(optimizer="adam", box_loss="smoothl1", classification_loss="focal", run_eagerly=True)
    labels = {"boxes": BOXES, "classes": CLASSES}
    assert_backbone_trains(backbone, lambda: detector.fit(images, labels, batch_size=2, verbose=0))


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")
def test_a_segmenter_of_keras_cv_trains_on_our_backbone(backbone, images, rng):
    keras_cv = pytest.importorskip("keras_cv")
    segmenter = keras_cv.models.DeepLabV3Plus(num_classes=3, backbone=backbone)
    segmenter.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    masks = rng.integers(0, 3, size=(2, 64, 64))
    assert_backbone_trains(backbone, lambda: segmenter.fit(images, masks, batch_size=2, verbose=0))


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")
def test_a_detector_of_keras_hub_trains_on_our_backbone(backbone, images):
    keras_hub = pytest.importorskip("keras_hub")
    features = keras_hub.models.RetinaNetBackbone(
        image_encoder=backbone, min_level=3, max_level=5, use_p5=False, image_shape=(64, 64, 3)
    )
    detector = keras_hub.models.RetinaNetObjectDetector(features, num_classes=2, bounding_box_format="xyxy")
    detector.compile(optimizer="adam", box_loss=keras.losses.Huber(reduction="sum"), run_eagerly=True)
    labels = {"boxes": BOXES, "labels": CLASSES}
    assert_backbone_trains(backbone, lambda: detector.fit(images, labels, batch_size=2, verbose=0))


@needs_tensorflow
@pytest.mark.filterwarnings("ignore")
def test_a_segmenter_of_keras_hub_trains_on_our_backbone_and_is_saved(backbone, images, rng, tmp_path):
    keras_hub = pytest.importorskip("keras_hub")
    features = keras_hub.models.DeepLabV3Backbone(
        image_encoder=backbone,
        spatial_pyramid_pooling_key="P5",
        low_level_feature_key="P2",
        upsampling_size=8,
        dilation_rates=[6, 12, 18],
        image_shape=(64, 64, 3),
    )
    segmenter = keras_hub.models.DeepLabV3ImageSegmenter(features, num_classes=3)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    segmenter.compile("adam", loss, metrics=[], run_eagerly=True)
    masks = rng.integers(0, 3, size=(2, 64, 64))
    assert_backbone_trains(backbone, lambda: segmenter.fit(images, masks, batch_size=2, verbose=0))
    segmenter.save(tmp_path / "segmenter.keras")
    again = keras.saving.load_model(tmp_path / "segmenter.keras")
    np.testing.assert_allclose(to_numpy(again(images)), to_numpy(segmenter(images)), atol=1e-5)
