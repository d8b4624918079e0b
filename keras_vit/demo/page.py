"""The page: a picture goes in, classes and attention come out; everything stays on this machine."""

import os
import sys
from pathlib import Path
from typing import Any

from keras_vit.demo.answers import describe, draw_attention, has_classes, name_classes
from keras_vit.models import from_preset
from keras_vit.preprocessing import ImageError


def launch(
    preset: str | os.PathLike[str], *, port: int | None = None, opens_browser: bool = False, waits: bool = True
) -> str:
    """Serves the page, and returns its address.

    Args:
        preset: As in `from_preset`, with weights.
        port: To serve at, 1 to 65535; None takes the first free one from 7860.
        opens_browser: Whether to open the page in the browser of this machine.
        waits: Whether to return only when Ctrl-C stops the page; otherwise it lives as long as this process.

    Raises:
        ValueError: The preset is unknown or has no weights.
        OSError: The port is taken.
        ImportError: Gradio is not installed.
    """
    page, gradio = build_page(preset), _import_gradio()
    # Fonts of the system: Gradio's own would be fetched from the web.
    theme = gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"])
    _, address, _ = page.launch(
        server_port=port, inbrowser=opens_browser, theme=theme, footer_links=[], prevent_thread_lock=True, quiet=True
    )
    if waits:
        sys.stderr.write(f"serving {preset} at {address} until Ctrl-C\n")
        page.block_thread()
    return str(address)


def build_page(preset: str | os.PathLike[str], *, top: int = 5) -> Any:
    """Returns the page as a `gradio.Blocks`.

    Args:
        preset: As in `from_preset`, with weights.
        top: How many classes to name, > 0.

    Raises:
        ValueError: The preset is unknown or has no weights.
        ImportError: Gradio is not installed.
    """
    gradio = _import_gradio()
    model = from_preset(preset)
    last = model.config.depth - 1

    def answer(image: str | None, layer: int) -> tuple[Any, Any]:
        if image is None:
            return None, None
        try:
            named = name_classes(model, image, top) if has_classes(model) else None
            return named, draw_attention(model, image, int(layer))
        except ImageError as error:
            # The file lies in a temporary folder, which means nothing to who dropped it.
            raise gradio.Error(str(error).replace(image, Path(image).name), print_exception=False) from error

    with gradio.Blocks(title=str(preset), analytics_enabled=False) as page:
        gradio.Markdown(describe(model, str(preset)))
        with gradio.Row():
            picture = gradio.Image(type="filepath", label="Picture", height=336, sources=["upload", "clipboard"])
            classes = gradio.Label(num_top_classes=top, label="Classes", visible=has_classes(model))
        layer = gradio.Slider(0, last, value=last, step=1, label="Encoder layer", interactive=last > 0)
        gradio.Markdown("Where it looks, bright for much attention:")
        # Its own label would lie on the first picture.
        attention = gradio.Gallery(label="Attention", show_label=False, columns=4, format="png")
        # Gradio would open the file, and say of a broken one no more than "Error".
        picture.preprocess = lambda payload: None if payload is None else payload.path
        gradio.on(
            [picture.change, layer.change],
            answer,
            [picture, layer],
            [classes, attention],
            trigger_mode="always_last",  # of all places that the slider passes, the one where it stops
            concurrency_limit=1,  # Keras models are not made for calls from several threads at once
            api_name="answer",
        )
    return page


def _import_gradio() -> Any:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read at import: nothing is told to anybody
    try:
        import gradio
    except ImportError as error:
        raise ImportError("The demo needs an extra: pip install 'keras3-vit[demo]'") from error
    return gradio
