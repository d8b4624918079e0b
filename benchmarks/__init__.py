"""Side-by-side measurements of keras_vit against KerasHub, timm and transformers: `python -m benchmarks --help`."""
