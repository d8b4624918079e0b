"""What a model does with presets: come from one, become one, be published, and prove itself."""

import os
from pathlib import Path
from typing import Any, Self

import keras

from keras_vit.hub import COMMIT_MESSAGE, Upload
from keras_vit.models import adapter_loading, adapter_saving, certificate, preset_folder, publishing
from keras_vit.models.certificate import Verification

KEEP: Any = object()  # "as the preset has it", where None means something else


class PresetMethods(keras.Model):
    """Base of `VisionModel`, which sets these attributes."""

    certificate: dict[str, Any] | None

    @classmethod
    def from_preset(
        cls,
        preset: str | os.PathLike[str],
        *,
        num_classes: int | None = None,
        image_size: Any = KEEP,
        patch_size: int | tuple[int, int] | None = None,
        in_channels: int | None = None,
        window_size: Any = KEEP,
        pooling: str | None = None,
        drop_path_rate: float | None = None,
        patch_dropout_rate: float | None = None,
        load_weights: bool = True,
        dtype: Any = None,
        remat: bool = False,
        **download: Any,
    ) -> Self:
        """Builds a model from a preset's name, folder, file or Hub repository, and loads its weights.

        `load_report` of the model says what became of every weight.

        Args:
            preset: A name that `keras_vit.list_presets()` knows; a folder that `save_to_preset`, timm, transformers or
                KerasHub wrote; a `.npz` file of Google's; or a Hub repository of these kinds, "owner/name",
                "hf://owner/name@revision".
            num_classes: Puts a new head of this many classes on the model; 0 leaves out the head.
            image_size: (height, width) in pixels to use the model at, or None for any size; positions are resampled.
            patch_size: Pixels of a patch; the patch kernel is resampled as in FlexiViT.
            in_channels: Channels of the images; the patch kernel is adapted from RGB as timm does.
            window_size: Rows and columns of the windows that attention stays within, patches; None turns them off where
                the architecture can do without, as a ViT.
            pooling: Another way from tokens to one vector; what it needs newly starts at random.
            drop_path_rate: Stochastic depth to train with, 0 <= rate < 1.
            patch_dropout_rate: Share of patch tokens to leave out in training, 0 <= rate < 1.
            load_weights: False keeps the random starting weights.
            dtype: Name of a dtype policy, such as "mixed_bfloat16".
            remat: Whether training computes what is inside the encoder layers a second time instead of keeping it in
                memory (gradient checkpointing).
            download: For Hub repositories: `revision`, `token`, `cache_dir`, `endpoint`, `local_files_only` as in
                `keras_vit.hub.download`.

        Raises:
            TypeError: There is no such argument.
            ValueError: The name is unknown (close ones are named), the preset is of another class, or the weights
                do not fit the model: all differences are listed.
            OSError: A repository cannot be downloaded.
        """
        wanted = {
            "num_classes": num_classes,
            "patch_size": patch_size,
            "in_channels": in_channels,
            "pooling": pooling,
            "drop_path_rate": drop_path_rate,
            "patch_dropout_rate": patch_dropout_rate,
        }
        changes = {name: value for name, value in wanted.items() if value is not None}
        if image_size is not KEEP:
            changes["image_size"] = image_size
        if window_size is not KEEP:
            changes["window_size"] = window_size
        model: Self = preset_folder.load(
            preset, cls, changes, load_weights=load_weights, dtype=dtype, remat=remat, **download
        )
        return model

    def save_to_preset(
        self, folder: str | os.PathLike[str], *, certify: bool = False, keras_files: bool = False
    ) -> Path:
        """Writes `config.json`, `model.safetensors`, `README.md` and `LICENSE`, all of them or nothing.

        Args:
            folder: Where to write.
            certify: Whether to run the model once and record what it returns, for `verify` after loading.
            keras_files: Whether to write Keras' own files too, so that `keras.saving.load_model(folder)` works; the
                weights are then there twice.

        Raises:
            OSError: The folder cannot be written; an older one stays as it was.
            ValueError: A weight is not finite.
        """
        return preset_folder.save(self, folder, certify=certify, has_keras_files=keras_files)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str = COMMIT_MESSAGE,
        token: str | bool | None = None,
        endpoint: str | None = None,
        dry_run: bool | str | os.PathLike[str] = False,
        license: str | None = None,  # noqa: A002
        keras_files: bool = True,
    ) -> Upload | Path:
        """Publishes the model on the Hub, in one commit: a folder as of `save_to_preset`, with a certificate.

        `keras_vit.from_preset(repository)`, `timm.create_model("hf-hub:...", pretrained=True)` and, through timm,
        transformers load it; after `import keras_vit`, so does `keras.saving.load_model("hf://...")`.

        Args:
            repository: "owner/name" or "hf://owner/name"; made where there is none.
            private: Whether only the owner sees a new repository; None takes the owner's default. True refuses to
                upload to a public one.
            revision: Branch, which is made where there is none; None means the main one.
            create_pr: Whether to propose the change as a pull request to the main branch.
            commit_message: Title of the commit or pull request.
            token: Access token; None takes the one that is logged in.
            endpoint: Address of the Hub; None takes the usual one.
            dry_run: True, or a folder: writes what would be uploaded there, or to a new temporary folder, and uploads
                nothing.
            license: Licence of the weights, as the Hub spells it. Needed where none is recorded; the licence of weights
                from elsewhere stays.
            keras_files: Whether to add Keras' own files; the weights are then there twice.

        Returns:
            What was published; the folder where nothing was, because of `dry_run`.

        Raises:
            ValueError: An argument is wrong, the licence is unknown or forbids it, or a weight is not finite.
            PermissionError: The token is unknown to the Hub, or may not write there.
            ConnectionError: The Hub cannot be reached, or fails.
            OSError: The Hub refuses the upload, for one because somebody else changed the repository in the meantime.
        """
        return publishing.push(
            self,
            repository,
            dry_run=dry_run,
            license=license,
            keras_files=keras_files,
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            token=token,
            endpoint=endpoint,
        )

    def save_adapter(self, folder: str | os.PathLike[str], *, base: str | None = None) -> Path:
        """Writes what LoRA learned, and the head, without the model that it was learned on: a few megabytes.

        `keras_vit.from_preset(folder)` loads the base and then the adapter; `peft.PeftModel.from_pretrained` puts it
        on the same model of timm.

        Args:
            folder: Where to write.
            base: Name, folder or repository of the model as it was before; None takes what it was loaded from.

        Raises:
            ValueError: There is no LoRA, the base is not known or has been trained since, or a weight is not finite.
            OSError: The folder cannot be written; an older one stays as it was.
        """
        return adapter_saving.save(self, folder, base=base)

    def load_adapter(self, adapter: str | os.PathLike[str], **download: Any) -> None:
        """Puts an adapter onto this model, its base; it then trains as after `enable_lora`.

        Args:
            adapter: Folder that `save_adapter` or PEFT wrote, or a Hub repository, "owner/name".
            download: `revision`, `token`, `cache_dir`, `endpoint`, `local_files_only` as in `keras_vit.hub.download`.

        Raises:
            ValueError: It is no LoRA adapter, or it does not fit: all differences are listed, and nothing is changed.
            OSError: The repository cannot be downloaded.
        """
        adapter_loading.load_onto(self, adapter, **download)

    def push_adapter(
        self,
        repository: str,
        *,
        base: str | None = None,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        commit_message: str = COMMIT_MESSAGE,
        token: str | bool | None = None,
        endpoint: str | None = None,
        dry_run: bool | str | os.PathLike[str] = False,
        license: str | None = None,  # noqa: A002
    ) -> Upload | Path:
        """Publishes what LoRA learned on the Hub, in one commit: a folder as of `save_adapter`.

        Args:
            repository: "owner/name" or "hf://owner/name"; made where there is none.
            base: Repository of the model as it was before; None takes what it was loaded from.
            private: As in `push_to_hub`, like all that follow.
            revision: Branch; None means the main one.
            create_pr: Whether to propose the change as a pull request.
            commit_message: Title of the commit or pull request.
            token: Access token; None takes the one that is logged in.
            endpoint: Address of the Hub; None takes the usual one.
            dry_run: True, or a folder: writes what would be uploaded, and uploads nothing.
            license: Licence of the weights where none is recorded; that of the base stays.

        Returns:
            What was published; the folder where nothing was, because of `dry_run`.

        Raises:
            ValueError: There is no LoRA, the base is not on the Hub, or as in `push_to_hub`.
            PermissionError: The token is unknown to the Hub, or may not write there.
            ConnectionError: The Hub cannot be reached, or fails.
            OSError: The Hub refuses the upload.
        """
        return adapter_saving.push(
            self,
            repository,
            base=base,
            dry_run=dry_run,
            license=license,
            private=private,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
            token=token,
            endpoint=endpoint,
        )

    def save_for_transformers(self, folder: str | os.PathLike[str]) -> Path:
        """Writes a folder that transformers loads as a model of its own, with its names, settings and processor.

        Folders of `save_to_preset` load in transformers too, through timm; this is for where timm is not installed.

        Raises:
            OSError: The folder cannot be written; an older one stays as it was.
            ValueError: transformers has no model like this one (the settings are named), or a weight is not finite.
        """
        return preset_folder.save_for_transformers(self, folder)

    def verify(self) -> Verification:
        """Compares what the model returns for a fixed input with what was recorded when the preset was converted.

        Proves, on any backend, that the weights arrived and are computed with as they should be.

        Raises:
            VerificationError: An encoder layer or the outputs differ by more than rounding; the first one is named.
            ValueError: The preset has no certificate, or the model has been changed since.
        """
        if self.certificate is None:
            raise ValueError(
                "verify needs a model loaded, unchanged, from a preset with a certificate, which `keras-vit convert` "
                "and save_to_preset(folder, certify=True) write; this model has none."
            )
        return certificate.verify(self, self.certificate)
