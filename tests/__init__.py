"""Tests of keras_vit; a package, because tf2onnx installs an unrelated folder of this name."""
