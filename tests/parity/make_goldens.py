"""Writes the goldens: tiny checkpoints of the main kinds, with what timm, transformers and KerasHub returned for them.

    python -m tests.parity.make_goldens

The default suite compares against these files, so that fidelity is tested on machines without the three.
"""

import functools
import json
import os
import shutil
from typing import Any

os.environ.setdefault("KERAS_BACKEND", "torch")

import tests.parity.conftest  # noqa: F401, isort: skip  (before timm: it makes torchvision importable)
import keras
import keras_hub
import numpy as np
import safetensors.torch
import timm
import torch
import transformers
from timm.layers import StdConv2dSame
from timm.models.resnetv2 import ResNetV2
from timm.models.vision_transformer_hybrid import HybridEmbed

from tests.models.goldens import FOLDER, make_images
from tests.parity import google_npz

# Name -> (architecture whose classes and epsilons are wanted, arguments that make it small).
TIMM: dict[str, tuple[str, dict[str, Any]]] = {
    "timm_vit": ("vit_base_patch16_224", {}),
    "timm_average": ("vit_base_patch16_224", {"class_token": False, "global_pool": "avg", "qkv_bias": False}),
    "timm_registers": ("vit_base_patch16_224", {"reg_tokens": 4, "init_values": 0.1, "qk_norm": True}),
    "timm_clip": ("vit_base_patch16_clip_quickgelu_224", {}),
    "timm_siglip": ("vit_base_patch16_siglip_224", {"act_layer": "gelu_tanh"}),
    "timm_distilled": ("deit_base_distilled_patch16_224", {}),
    "timm_gated": ("vit_giant_patch14_dinov2", {"init_values": 0.1}),
    "timm_aimv2": ("aimv2_large_patch14_224", {}),
    "timm_beit3": ("beit3_base_patch16_224", {}),
    "timm_post_norm": ("vit_base_patch16_rpn_224", {}),
    "timm_parallel": ("vit_pwee_patch16_reg1_gap_256", {"mlp_ratio": 2}),
    "timm_beit": ("beit_base_patch16_224", {"mlp_ratio": 2}),
    "timm_eva02": ("eva02_base_patch16_clip_224", {"mlp_ratio": 1}),
    "timm_radio": ("vit_base_patch16_radio_v3", {"reg_tokens": 3}),
    "timm_dinov3": ("vit_small_patch16_dinov3", {"init_values": 0.1, "mlp_ratio": 2, "embed_dim": 16}),
    "timm_rope_mixed": ("vit_small_patch16_rope_mixed_224", {"init_values": 0.1, "mlp_ratio": 2, "embed_dim": 16}),
}  # fmt: skip
# Stages have sizes of their own. What takes any image size is said to be for that of the goldens.
PYRAMID = {"depths": (1, 1, 1, 1), "embed_dims": (8, 8, 16, 16), "num_heads": (1, 2, 2, 4), "mlp_ratios": 2}
PYRAMIDS: dict[str, tuple[str, dict[str, Any]]] = {
    "timm_pyramid": ("pvt_v2_b2", PYRAMID),
    "timm_pyramid_pooled": ("pvt_v2_b2_li", {**PYRAMID, "linear": True}),
}
SWINS: dict[str, tuple[str, dict[str, Any]]] = {
    "timm_swin": ("swin_tiny_patch4_window7_224", {}),
    "timm_swin_v2": ("swinv2_tiny_window8_256", {"pretrained_window_sizes": (6, 3)}),
}
TIMM_SIZES = {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 2, "num_heads": 4}
HYBRIDS = {"timm_hybrid": ("vit_tiny_r_s16_p8_224", {})}
HYBRID_SIZES = {**TIMM_SIZES, "patch_size": 2, "embed_dim": 16}
# Bottlenecks in each stage of a ResNet half as wide as those that have a name in timm.
NARROW_STEM = (1, 1)
SWIN_SIZES = {
    "img_size": 32,
    "patch_size": 2,
    "embed_dim": 8,
    "depths": (2, 2),
    "num_heads": (1, 2),
    "window_size": 5,  # filled up in both stages
    "mlp_ratio": 2,
}

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32, "patch_size": 8}
PLAIN = {**SIZES, "intermediate_size": 48}
TRANSFORMERS: dict[str, tuple[str, dict[str, Any]]] = {
    "transformers_vit": ("ViTForImageClassification", {**PLAIN, "num_labels": 3}),
    "transformers_deit": ("DeiTForImageClassificationWithTeacher", {**PLAIN, "num_labels": 3}),
    "transformers_dinov2": ("Dinov2ForImageClassification", {**SIZES, "mlp_ratio": 2, "num_labels": 3}),
    "transformers_registers": ("Dinov2WithRegistersModel", {**SIZES, "mlp_ratio": 2}),
    "transformers_dinov3": ("DINOv3ViTModel", {**PLAIN, "num_register_tokens": 2}),
    "transformers_beit": (
        "BeitForImageClassification",
        {**PLAIN, "use_shared_relative_position_bias": True, "num_labels": 3},
    ),
    "transformers_segformer": (
        "SegformerForImageClassification",
        {
            "image_size": 32,
            "depths": [1, 1, 1, 1],
            "hidden_sizes": [8, 8, 16, 16],
            "num_attention_heads": [1, 2, 2, 4],
            "mlp_ratios": [2, 2, 2, 2],
            "num_labels": 3,
        },
    ),
    "transformers_clip": ("CLIPVisionModelWithProjection", {**PLAIN, "projection_dim": 8}),
    "transformers_siglip": ("SiglipVisionModel", PLAIN),
}
HUB_SIZES = {"image_shape": (32, 32, 3), "patch_size": 8, "num_layers": 2, "num_heads": 4, "hidden_dim": 32}


def main() -> None:
    """Writes all goldens anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    expected = {name: timm_golden(name, *what, TIMM_SIZES) for name, what in TIMM.items()}
    expected |= {name: timm_golden(name, *what, HYBRID_SIZES) for name, what in HYBRIDS.items()}
    expected |= {"timm_hybrid_stages": narrow_hybrid_golden("timm_hybrid_stages")}
    expected |= {name: timm_golden(name, *what, SWIN_SIZES) for name, what in SWINS.items()}
    expected |= {name: pyramid_golden(name, *what) for name, what in PYRAMIDS.items()}
    expected |= {name: transformers_golden(name, *what) for name, what in TRANSFORMERS.items()}
    expected |= {"google_old.npz": google_golden("google_old.npz", google_npz.OLD, {})}
    siglip = {"class_token": False, "global_pool": "map"}
    expected |= {"google_stacked.npz": google_golden("google_stacked.npz", google_npz.STACKED, siglip)}
    expected |= {"keras_hub_vit": keras_hub_golden("keras_hub_vit")}
    text = {name: [[float(f"{value:.7g}") for value in row] for row in rows] for name, rows in expected.items()}
    (FOLDER / "expected.json").write_text(json.dumps(text, indent=1) + "\n")


def timm_golden(name: str, architecture: str, arguments: dict[str, Any], sizes: dict[str, Any]) -> np.ndarray:
    """Saves a timm model in the Hub's form."""
    arguments = {**sizes, **arguments}
    model = randomised(timm.create_model(architecture, num_classes=3, **arguments))
    timm.models.save_for_hf(model, str(FOLDER / name), model_args=arguments, safe_serialization=True)
    (FOLDER / name / "README.md").unlink(missing_ok=True)
    return run(model)


def narrow_hybrid_golden(name: str) -> np.ndarray:
    """Saves a timm model whose stem only our config.json can tell, in half precision because it is large."""
    backbone = ResNetV2(
        layers=NARROW_STEM,
        channels=(128, 256),
        stem_chs=32,
        num_classes=0,
        global_pool="",
        preact=False,
        stem_type="same",
        conv_layer=functools.partial(StdConv2dSame, eps=1e-8),
    )
    sizes = {"img_size": 32, "embed_dim": 16, "depth": 1, "num_heads": 4, "mlp_ratio": 2}
    stem = functools.partial(HybridEmbed, backbone=backbone)
    model = randomised(timm.create_model("vit_small_r26_s32_224", num_classes=3, embed_layer=stem, **sizes))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(parameter.half())
    (FOLDER / name).mkdir()
    state = {key: tensor.half().contiguous() for key, tensor in model.state_dict().items()}
    safetensors.torch.save_file(state, FOLDER / name / "model.safetensors")
    config = {
        "image_size": 32,
        "patch_size": 8,
        "stem_depths": NARROW_STEM,
        "stem_dim": 32,
        "embed_dim": 16,
        "depth": 1,
        "num_heads": 4,
        "mlp_ratio": 2.0,
        "num_classes": 3,
    }
    section = {"class": "HybridViT", "config": config}
    (FOLDER / name / "config.json").write_text(json.dumps({"keras_vit": section}, indent=2) + "\n")
    return run(model)


def pyramid_golden(name: str, architecture: str, arguments: dict[str, Any]) -> np.ndarray:
    """Saves a timm model of any image size in the Hub's form."""
    size = {"input_size": (3, *make_images().shape[1:3])}
    model = randomised(timm.create_model(architecture, num_classes=3, pretrained_cfg_overlay=size, **arguments))
    timm.models.save_for_hf(model, str(FOLDER / name), model_args=arguments, safe_serialization=True)
    (FOLDER / name / "README.md").unlink(missing_ok=True)
    return run(model)


def transformers_golden(name: str, class_name: str, arguments: dict[str, Any]) -> np.ndarray:
    """Saves a model of transformers in the form of its files."""
    model_class = getattr(transformers, class_name)
    model = randomised(model_class(model_class.config_class(**arguments)))
    model.save_pretrained(FOLDER / name)
    with torch.no_grad():
        output = model(pixel_values=torch_images())
    for part in ("logits", "image_embeds", "pooler_output"):
        if getattr(output, part, None) is not None:
            return np.asarray(getattr(output, part).numpy())
    raise AssertionError(output)


def google_golden(name: str, form: google_npz.Form, arguments: dict[str, Any]) -> np.ndarray:
    """Saves a timm model's weights as Google publishes such models."""
    is_big_vision = not form.is_first_api
    model = timm.create_model(
        "vit_base_patch16_224", num_classes=3, **TIMM_SIZES, no_embed_class=is_big_vision, **arguments
    )
    state = {key: tensor.numpy() for key, tensor in randomised(model).state_dict().items()}
    np.savez(FOLDER / name, **google_npz.published(state, 4, form))
    return run(model)


def keras_hub_golden(name: str) -> np.ndarray:
    """Saves a KerasHub classifier as a preset folder."""
    backbone = keras_hub.models.ViTBackbone(**HUB_SIZES, mlp_dim=80)
    model = keras_hub.models.ViTImageClassifier(backbone=backbone, num_classes=3)
    rng = np.random.default_rng(2)
    for weight in model.weights:
        if keras.backend.is_float_dtype(weight.dtype):
            weight.assign(weight.numpy() + rng.normal(scale=0.2, size=tuple(weight.shape)).astype("float32"))
    model.save_to_preset(str(FOLDER / name))
    return np.asarray(keras.ops.convert_to_numpy(model(make_images())))


def randomised(model: torch.nn.Module) -> torch.nn.Module:
    """Changes every parameter: initial zeros and ones hide mistakes."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator) + (parameter == 1))
    return model.eval()


def run(model: torch.nn.Module) -> np.ndarray:
    """The logits of a timm model."""
    with torch.no_grad():
        return np.asarray(model(torch_images()).numpy())


def torch_images() -> torch.Tensor:
    """The images, channels first."""
    return torch.from_numpy(make_images().transpose(0, 3, 1, 2).copy())


if __name__ == "__main__":
    main()
