import pytest

CODE = """
import sys
sys.argv = ["/usr/bin/keras-vit", *sys.argv[1:]]
from keras_vit.cli import main
try:
    main()
except SystemExit as end:
    print("exit code", end.code)
print("keras" in sys.modules, "tensorflow" in sys.modules)
"""


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_do_not_wait_for_keras(run_python, option):
    lines = run_python(CODE, option).splitlines()

    assert lines[-2:] == ["exit code 0", "False False"]


def test_help_names_every_command(run_python):
    text = run_python(CODE, "--help")

    for command in ("train", "evaluate", "predict", "list", "show"):
        assert f" {command} " in text


def test_version_is_the_package_version(run_python):
    import keras_vit

    assert run_python(CODE, "--version").startswith(f"keras-vit {keras_vit.__version__}\n")
