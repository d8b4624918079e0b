"""The command line `keras-vit`: each command calls one public function of the package.

Keras is imported by the commands that need it, so that --help answers at once.
"""

from keras_vit.cli.app import main

__all__ = ["main"]
