"""The application `keras-vit`: its commands, and how errors reach the user."""

import functools
import os
import warnings
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from keras_vit.cli import (
    card_command,
    compare_command,
    convert_command,
    demo_command,
    explain_command,
    predict_command,
    preset_commands,
    pull_command,
    push_command,
    train_command,
)
from keras_vit.cli.backends import choose_backend, import_keras


def main() -> None:
    """Runs the command line."""
    warnings.formatwarning = _format_warning
    build_app()()


def build_app() -> typer.Typer:
    """Returns the application, with all commands."""
    app = typer.Typer(
        epilog="KERAS_BACKEND chooses tensorflow, jax or torch. KERAS_VIT_TRACEBACK=1 shows where an error came from.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(describe)
    for name, command in (
        ("train", train_command.train),
        ("recipes", train_command.recipes),
        ("compare", compare_command.compare),
        ("evaluate", preset_commands.evaluate),
        ("predict", predict_command.predict),
        ("explain", explain_command.explain),
        ("demo", demo_command.demo),
        ("convert", convert_command.convert),
        ("pull", pull_command.pull),
        ("push", push_command.push),
        ("card", card_command.card),
        ("list", preset_commands.list_presets),
        ("show", preset_commands.show),
    ):
        app.command(name)(_report_errors(command))
    return app


def _format_warning(message: Warning | str, *where: Any, **more: Any) -> str:
    """Leaves out the line of code that warns: it means nothing to who uses a command."""
    return f"keras-vit: {message}\n"


def _print_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"keras-vit {version('keras3-vit')}")
        raise typer.Exit


def describe(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Vision Transformers for Keras 3: train, evaluate and use them."""


def _report_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Turns what a user can put right into one message on stderr and exit code 2."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            if notice := choose_backend():
                typer.echo(f"keras-vit: {notice}", err=True)
            import_keras()
            command(*args, **kwargs)
        except (ValueError, OSError, ImportError) as error:
            if os.environ.get("KERAS_VIT_TRACEBACK"):
                raise
            typer.echo(f"keras-vit: {error}", err=True)
            raise typer.Exit(2) from None

    return wrapper
