import numpy as np
import pytest

from keras_vit.models import ViT
from keras_vit.training import FeatureBatches, cache_features, head_model


@pytest.mark.parametrize("use_distillation_token", [False, True])
def test_features_and_head_together_are_the_model(rng, randomise, use_distillation_token):
    model = ViT(
        image_size=4,
        patch_size=2,
        embed_dim=8,
        depth=1,
        num_heads=2,
        num_classes=3,
        use_distillation_token=use_distillation_token,
    )
    randomise(model)
    images = rng.normal(size=(5, 4, 4, 3)).astype("float32")
    labels = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1]]

    features = cache_features(model, [(images[:3], labels[:3]), (images[3:], labels[3:])])

    assert (features.num_images, features.num_classes, len(features)) == (5, 3, 2)
    np.testing.assert_array_equal(np.concatenate([features[0][1], features[1][1]]), labels)
    logits = np.concatenate([head_model(model).predict_on_batch(features[index][0]) for index in range(2)])
    np.testing.assert_allclose(logits, model.predict(images, verbose=0), rtol=1e-4, atol=1e-5)


def test_every_epoch_has_its_own_order_that_the_seed_repeats():
    def order(seed: int, epoch: int) -> list[float]:
        batches = FeatureBatches(np.arange(9.0)[:, None], np.eye(9), batch_size=4, shuffle=True, seed=seed)
        batches.epoch = epoch
        return [float(value) for index in range(len(batches)) for value in batches[index][0][:, 0]]

    assert sorted(order(0, 0)) == list(range(9))
    assert order(0, 1) == order(0, 1)
    assert order(0, 0) != order(0, 1)
    assert order(0, 0) != order(1, 0)
