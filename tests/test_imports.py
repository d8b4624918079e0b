"""The package's import rules: which folder may import which, what `import keras_vit` loads, what is public."""

import ast
import importlib
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "keras_vit"

# Imports go from a higher level to a lower one. Folders on one level do not import one another.
LEVELS = {
    "cli": 5,
    "demo": 4,
    "bulk": 3,
    "training": 3,
    "visualize": 3,
    "models": 2,
    "checkpoints": 1,
    "data": 1,
    "hub": 1,
    "layers": 1,
    "pictures": 1,
    "files": 0,
    "preprocessing": 0,
    "resampling": 0,
}

# These parts read and write files without a deep learning framework.
WITHOUT_KERAS = {"checkpoints", "hub", "preprocessing"}

# Packages that only some uses need: a function that needs one imports it.
HEAVY = {
    "PIL",
    "absl",
    "braceexpand",
    "google",
    "gradio",
    "grain",
    "h5py",
    "huggingface_hub",
    "jax",
    "keras_cv",
    "keras_hub",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "pyarrow",
    "requests",
    "rich",
    "safetensors",
    "scipy",
    "skimage",
    "sklearn",
    "tensorboard",
    "tensorflow",
    "tensorflow_datasets",
    "tf2onnx",
    "timm",
    "torch",
    "torchvision",
    "transformers",
    "typer",
    "webdataset",
}

FILES = sorted(ROOT.rglob("*.py"))
PACKAGES = sorted(path for path in FILES if path.name == "__init__.py")


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_modules(path: Path) -> list[tuple[int, str]]:
    """(line, module) of every import, also inside functions; `from a import b` counts as a.b where b is a module."""
    modules = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules += [(node.lineno, alias.name) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules += [(node.lineno, from_name(node.module or "", alias.name)) for alias in node.names]
    return modules


def from_name(module: str, name: str) -> str:
    folder = ROOT.parent.joinpath(*module.split("."))
    is_module = (folder / name).is_dir() or (folder / f"{name}.py").is_file()
    return f"{module}.{name}" if is_module else module


def part(module: str) -> str:
    """The first name below keras_vit: "layers" of "keras_vit.layers.mlp"."""
    return f"{module}.".split(".")[1]


def ours(path: Path) -> list[tuple[int, str]]:
    return [(line, module) for line, module in imported_modules(path) if module.split(".")[0] == "keras_vit"]


def test_every_part_has_a_level():
    parts = {part(module_name(path)) for path in FILES} - {""}
    assert parts <= LEVELS.keys(), f"give {sorted(parts - LEVELS.keys())} a level here and in CONTRIBUTING.md"


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_imports_go_down_only(path):
    here = part(module_name(path))
    if not here:
        return  # keras_vit/__init__.py collects the public names of all parts
    upward = [
        f"line {line}: {module}"
        for line, module in ours(path)
        if part(module) != here and LEVELS.get(part(module), 9) >= LEVELS[here]
    ]
    assert not upward, f"{path.relative_to(ROOT)} imports what stands above or beside it: {upward}"


@pytest.mark.parametrize("path", sorted((ROOT / "models").glob("*/**/*.py")), ids=module_name)
def test_architectures_import_no_other_architecture_but_vit(path):
    architecture = path.relative_to(ROOT / "models").parts[0]
    folders = {file.parent.name for file in (ROOT / "models").glob("*/presets.py")}  # others hold what some share
    others = {f"keras_vit.models.{name}" for name in folders - {architecture, "vit"}}
    siblings = [module for _, module in ours(path) if ".".join(module.split(".")[:3]) in others]
    assert not siblings


@pytest.mark.parametrize("path", [path for path in FILES if part(module_name(path)) in WITHOUT_KERAS], ids=module_name)
def test_files_and_pixels_need_no_keras(path):
    assert "keras" not in {module.split(".")[0] for _, module in imported_modules(path)}


@pytest.mark.parametrize("path", FILES, ids=module_name)
def test_heavy_packages_are_not_imported_at_module_level(path):
    command_line = {"rich", "typer"} if part(module_name(path)) == "cli" else set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    inside = {id(node) for function in functions for node in ast.walk(function)}
    guarded = {id(node) for test in ast.walk(tree) if is_type_checking(test) for node in ast.walk(test)}
    names = []
    for node in ast.walk(tree):
        if id(node) in inside | guarded:
            continue
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names.append(node.module or "")
    assert not {name.split(".")[0] for name in names} & (HEAVY - command_line)


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def test_import_keras_vit_adds_nothing_heavy(run_python):
    code = """
        import json, sys
        import keras
        before = set(sys.modules)
        import keras_vit
        print(json.dumps([sorted(set(sys.modules) - before), "tensorflow" in sys.modules, keras.config.backend()]))
    """
    added, has_tensorflow, backend = json.loads(run_python(code.replace("\n        ", "\n")))
    assert "keras_vit" in added
    assert not {name.split(".")[0] for name in added} & HEAVY
    assert has_tensorflow == (backend == "tensorflow")


@pytest.mark.parametrize("path", PACKAGES, ids=module_name)
def test_all_is_sorted_complete_and_resolves(path):
    package = importlib.import_module(module_name(path))
    if not public_names(path) and not hasattr(package, "__all__"):
        return  # a folder without public names of its own
    assert package.__all__ == sorted(package.__all__)
    assert set(package.__all__) - {"__version__"} == public_names(path)
    missing = [name for name in package.__all__ if not hasattr(package, name)]
    assert not missing


def public_names(path: Path) -> set[str]:
    """Names that an `__init__.py` defines or takes from keras_vit, without those that start with "_"."""
    names: set[str] = set()
    body = ast.parse(path.read_text(encoding="utf-8")).body
    for node in body + [inner for outer in body if isinstance(outer, ast.If) for inner in outer.body]:
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "keras_vit":
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return {name for name in names if not name.startswith("_")}
