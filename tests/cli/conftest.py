"""A model small enough to train on all the digits within a test."""

from pathlib import Path

import pytest

from keras_vit.models import ViT


@pytest.fixture(scope="session")
def tiny_preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preset folder whose architecture takes the digits."""
    model = ViT(
        image_size=8,
        in_channels=1,
        patch_size=4,
        embed_dim=16,
        depth=2,
        num_heads=2,
        mlp_ratio=1.0,
        use_class_token=False,
        pooling="mean",
        num_classes=10,
    )
    return model.save_to_preset(tmp_path_factory.mktemp("presets") / "tiny")
