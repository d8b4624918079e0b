"""Demo: a local page that names what is in a picture and shows where the model looks; it runs as a Space, too."""

from keras_vit.demo.page import build_page, launch
from keras_vit.demo.space import push_space, write_space

__all__ = ["build_page", "launch", "push_space", "write_space"]
