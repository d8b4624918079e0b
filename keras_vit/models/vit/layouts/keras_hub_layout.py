"""KerasHub's layout: preset folders of its ViT and DeiT, backbones and classifiers, read without KerasHub.

KerasHub 0.32 lists these presets: vit_{base,large}_patch16_{224,384}_imagenet,
vit_{base,large}_patch32_384_imagenet, vit_{base,large}_patch{16,32}_224_imagenet21k,
vit_huge_patch14_224_imagenet21k, deit_{tiny,small,base}_distilled_patch16_224_imagenet and
deit_base_distilled_patch16_384_imagenet.
"""

import contextlib
from pathlib import Path
from typing import Any

from keras_vit.checkpoints import Tensors as WeightsFile
from keras_vit.checkpoints.h5_file import read_h5
from keras_vit.models.layout import Array, Description, KeyMap, Layout, Tensors
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.keras_hub_keys import entries_of
from keras_vit.models.vit.layouts.keras_hub_settings import absent_biases, backbone_of, config_of, preprocessing_of

_HEAD_FILE = "task.weights.h5"


def _recognises(settings: dict[str, Any], names: Any) -> bool:
    return isinstance(settings.get("keras_hub"), dict)


def _describe(settings: dict[str, Any], tensors: Tensors) -> Description:
    """Tells the model from {"keras_hub": {file name: its JSON}}, with config.json and those others that exist.

    A classifier's softmax is left out: our models return logits. A backbone alone becomes a model without a head.
    """
    config = config_of(settings["keras_hub"])
    preprocessing = preprocessing_of(settings["keras_hub"], config)
    return Description(architecture="ViT", config=config, preprocessing=preprocessing)


def _map_keys(settings: dict[str, Any], config: ViTConfig, tensors: Tensors) -> KeyMap:
    files = settings["keras_hub"]
    zeros = dict.fromkeys(absent_biases(files, config), "KerasHub's model has no bias there")
    return KeyMap(
        entries=[entry for entry in entries_of(config, backbone_of(files)) if entry.variable not in zeros],
        ignored={name: "state of the optimizer" for name in tensors if name.startswith("optimizer/")},
        zeros=zeros,
    )


def _open_weights(path: Path) -> WeightsFile:
    with contextlib.ExitStack() as opened:
        files: list[WeightsFile] = [opened.enter_context(read_h5(path))]
        if path.with_name(_HEAD_FILE).is_file():
            files.append(opened.enter_context(read_h5(path.with_name(_HEAD_FILE))))
        weights = _PresetWeights(path, files)
        opened.pop_all()  # all is well: the files stay open
    return weights


LAYOUT = Layout(
    name="KerasHub",
    recognises=_recognises,
    describe=_describe,
    map_keys=_map_keys,
    weights_files=("model.weights.h5",),
    open_weights=_open_weights,
)


class _PresetWeights(WeightsFile):
    """The weights of a backbone and those of the head beside it, as if they were in one file."""

    def __init__(self, path: Path, files: list[WeightsFile]) -> None:
        # The state of an optimizer may be in both; the names of weights differ.
        self._owners = {name: file for file in files for name in file}
        self._files = files
        super().__init__(path, {name: file.info(name) for name, file in self._owners.items()})

    def close(self) -> None:
        """Lets go of both files; weights cannot be read afterwards."""
        super().close()
        for file in self._files:
            file.close()

    def _read(self, name: str) -> Array:
        return self._owners[name][name]
