"""The structure of the project, tested like its behaviour: who may import whom, how large things may grow, what every
file must and must not hold. An exception is a line in a table here, with its reason; one that is not needed fails.
"""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "onebit"

EVERYWHERE = {"_errors", "_machine", "_registry"}
ALLOWED: dict[str, set[str]] = {
    "_errors": set(),
    "_machine": set(),
    "_registry": set(),
    "bits": set(),
    "ops": {"bits"},
    "quantizers": set(),
    "nn": {"quantizers", "ops"},
    "optim": {"nn", "quantizers"},
    "metrics": {"nn", "quantizers"},
    "models": {"nn", "quantizers"},
    "data": set(),
    "training": {"quantizers", "nn", "optim", "metrics", "models", "data"},
    "export": {"bits", "ops"},
    "runtime": {"bits", "ops", "export"},
    "conversion": {"bits", "ops", "nn", "quantizers", "runtime"},
    "bench": {"bits", "ops", "export", "runtime", "conversion", "models", "nn", "quantizers"},
}
ALLOWED["onebit"] = {*ALLOWED, "cli"}  # onebit/__init__.py, the public list, and __main__.py
ALLOWED["cli"] = set(ALLOWED)

PYTHON_FILE, KERNEL_FILE, FUNCTION = 300, 300, 40  # lines; a docstring does not count towards its function

# path, or path:function -> reason
LARGE: dict[str, str] = {}
MORE_THAN_A_LIST = {
    "src/onebit/__init__.py": "imports its parts when they are first named, so that none is loaded unasked",
    "src/onebit/conversion/passes/__init__.py": "the order of the passes is its content",
    "src/onebit/ops/__init__.py": "registers the operators with torch",
}
NO_TEST_OF_ITS_OWN = {
    "src/onebit/__main__.py": "calls the command line, whose tests run it in a process of its own",
    "src/onebit/_errors.py": "classes without code; each is raised in the tests of its users",
    "src/onebit/export/_float_windows.py": "rows of the table that test_float_ops.py runs over",
    "src/onebit/export/_nodes.py": "what the writer is made of; test_onnx.py and tests/format run every kind of node",
    "src/onebit/export/_operators.py": "a table; test_functions.py runs over its rows",
    "src/onebit/nn/_sign_products.py": "what two operators share; test_sign_linear.py and test_sign_conv2d.py run it",
    "src/onebit/ops/_fallback.py": "the second front door; test_front_door.py compares it with the first",
    "src/onebit/ops/cuda/_conv_weights.py": "what convolution reads; test_cuda_conv2d.py runs all of it",
    "src/onebit/ops/cuda/_devices.py": "one check; test_cuda_operators.py and test_cuda_conv2d.py make it refuse",
    "src/onebit/ops/cuda/_finish.py": "a second kernel; test_cuda_operators.py and test_cuda_conv2d.py run it",
    "src/onebit/runtime/_float_nodes.py": "what the loader is made of; test_load.py runs every kind of node",
    "src/onebit/runtime/_rebuild.py": "what the loader is made of; test_load.py and tests/format run and damage it",
    "src/onebit/runtime/_table.py": "the layout of explain; test_model.py reads the table it makes",
    "src/onebit/runtime/_tensors.py": "what the loader is made of; tests/format damages every tensor",
}
NO_MODULE_OF_ITS_OWN = {
    "tests/test_architecture.py": "is about all of them",
    "tests/test_readme.py": "runs the code and checks the commands of README.md",
    "tests/ops/test_compile.py": "is about torch.compile and torch.export on every operator",
    "tests/ops/test_concurrency.py": "is about threads and processes on every operator",
    "tests/ops/cuda/test_cuda_layout.py": "executes the kernels' address functions, native/cuda/layout.cuh",
    "tests/ops/cuda/test_cuda_ptx.py": "executes what the compiler makes of every kernel",
    "tests/ops/cuda/test_gpu_benchmark.py": "runs benchmarks/gpu.py on the software device",
    "tests/ops/cuda/test_gpu_sanitizer.py": "runs tools/sanitize_gpu.py with a program in compute-sanitizer's place",
    "tests/data/test_sample.py": "mirrors tools/make_mnist_sample.py and the files it makes",
}
NOT_MIRRORS = ("tests/format/", "tests/golden/", "tests/parity/")  # about several modules together

# Split, so that this file passes its own test.
FORBIDDEN = ("/wo" + "rk/", "/ro" + "ot/", "../sha" + "red", "py" + "pi.org", "pythonhos" + "ted.org")
BANNED_IMPORTS = {"torchvision", "timm"}  # they do not import on a CPU-only torch; onebit must


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def sources(*folders: str, suffixes: tuple[str, ...] = (".py",)) -> list[Path]:
    """The files with these suffixes, without what builds leave behind."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes)
    return sorted(path for path in found if not {"__pycache__", "build"} & set(path.parts))


PYTHON = sources("src", "tests", "benchmarks", "tools", "examples")
NATIVE_SUFFIXES = (".c", ".h", ".def", ".cu", ".cuh", ".cpp", ".hpp")
NATIVE = sources("native", "benchmarks", suffixes=NATIVE_SUFFIXES)


def unexpected(found: dict[str, str], excepted: dict[str, str]) -> list[str]:
    """What a check found beyond the exceptions, and exceptions that it no longer finds."""
    wrong = [f"{key}: {message}" for key, message in sorted(found.items()) if key not in excepted]
    stale = [f"{key}: is excepted ({excepted[key]}) but need not be" for key in excepted if key not in found]
    return wrong + stale


PLAIN = ("onebit", None)
FACTS = {"onebit.__version__", "onebit.__path__"}  # about the package as a whole; taking them imports nothing


# ---- imports ---------------------------------------------------------------------------------------------------------


def imports(tree: ast.AST, module: str) -> Iterator[tuple[str, int]]:
    """(dotted name, line) of every import, wherever it stands; `module` is the dotted name of the importing one.

    A plain `import onebit` gives access to everything, so what counts is each attribute that is taken from it.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names if (alias.name, alias.asname) != PLAIN)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "onebit":
            yield f"onebit.{node.attr}", node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(module.split(".")[: -node.level]) if node.level else ""
            origin = ".".join(filter(None, (base, node.module)))
            yield from ((f"{origin}.{alias.name}", node.lineno) for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from ((arg.value, node.lineno) for arg in node.args[:1] if isinstance(arg, ast.Constant))


def package_of(dotted: str) -> str | None:
    """The part of onebit that a dotted name belongs to: "nn", "_errors", or "onebit" itself; None outside of it."""
    first, *rest = dotted.split(".")
    if first != "onebit":
        return None
    return rest[0] if rest and rest[0] in ALLOWED else "onebit"


def forbidden_imports(code: str, module: str) -> list[str]:
    owner = package_of(module) or ""
    free = {None, owner} | EVERYWHERE | ALLOWED[owner]
    wrong = []
    for name, line in imports(ast.parse(code), module):
        if name.split(".")[0] in BANNED_IMPORTS:
            wrong.append(f"line {line}: {name} is never imported")
        elif package_of(name) not in free and name not in FACTS:
            wrong.append(f"line {line}: onebit.{owner} may not import {name}")
    return wrong


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("import onebit.ops", [1]),
        ("from onebit import ops, nn, __version__", [1]),
        ("from onebit.ops._dense import dense_bits", [1]),
        ("from ..ops import native", [1]),
        ("from ...ops import native", []),
        ("def f():\n    from onebit.ops import native", [2]),
        ("if TYPE_CHECKING:\n    import onebit.cli", [2]),
        ("import importlib\nimportlib.import_module('onebit.runtime')", [2]),
        ("import onebit\nonebit.ops\nonebit.convert\nonebit.nn, onebit.__version__", [2, 3]),
        ("import onebit as ob", [1]),
        ("from onebit import convert", [1]),
        ("def f():\n    import torchvision.datasets", [2]),
        ("import torch, onebit._errors\nfrom onebit.nn._linear import BinaryLinear\nfrom . import _mlp", []),
    ],
)
def test_every_kind_of_import_is_seen(code: str, lines: list[int]) -> None:
    found = forbidden_imports(code, "onebit.models._mlp")
    assert [int(message.split(":")[0].removeprefix("line ")) for message in found] == lines


@pytest.mark.parametrize("path", sources("src"), ids=relative)
def test_imports_follow_the_map(path: Path) -> None:
    assert forbidden_imports(path.read_text(), dotted(path)) == []


def test_every_package_is_on_the_map() -> None:
    packages = {path.name for path in SRC.iterdir() if (path / "__init__.py").exists()}
    assert packages <= set(ALLOWED)


# ---- sizes -----------------------------------------------------------------------------------------------------------


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first, last = function.body[0], function.body[-1]
    documented = isinstance(first, ast.Expr) and ast.get_docstring(function) is not None
    return (last.end_lineno or 0) - function.lineno + 1 - (documented * ((first.end_lineno or 0) - first.lineno + 1))


def large_things() -> dict[str, str]:
    found = {}
    for path, limit in [(path, PYTHON_FILE) for path in PYTHON] + [(path, KERNEL_FILE) for path in NATIVE]:
        lines = len(path.read_text().splitlines())
        if lines > limit:
            found[relative(path)] = f"{lines} lines; at most {limit}"
    for path in PYTHON:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and code_lines(node) > FUNCTION:
                found[f"{relative(path)}:{node.name}"] = f"{code_lines(node)} lines; at most {FUNCTION}"
    return found


def test_files_and_functions_stay_small() -> None:
    assert unexpected(large_things(), LARGE) == []


def test_a_docstring_does_not_count_towards_its_function() -> None:
    tree = ast.parse('def f(\n    x,\n):\n    """Two\n    lines."""\n    y = x\n\n    return y\n')
    assert code_lines(tree.body[0]) == 6  # type: ignore[arg-type]


# ---- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["src", "native", "tests", "benchmarks", "tools"])
def test_sources_are_ascii(folder: Path) -> None:
    suffixes = (*NATIVE_SUFFIXES, ".py", ".yaml", ".toml", ".txt")
    wrong = [relative(path) for path in sources(folder, suffixes=suffixes) if not path.read_bytes().isascii()]
    assert wrong == []


def committed() -> list[Path]:
    """What is or will be committed: files that git tracks, and files that it neither tracks nor ignores."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listing = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git and the repository: the list of committed files comes from them")
    return sorted(path for name in listing.split("\0") if name and (path := ROOT / name).is_file())


def test_the_project_names_no_machine_and_no_registry() -> None:
    found = [
        f"{relative(path)}: {word}" for path in committed() for word in FORBIDDEN if word.encode() in path.read_bytes()
    ]
    assert found == []


def test_no_file_is_a_drawer_for_anything() -> None:
    drawers = {"utils", "helpers", "common", "misc"}
    assert [relative(path) for path in PYTHON + NATIVE if path.stem.strip("_") in drawers] == []


# ---- the mirror of tests and the public lists ------------------------------------------------------------------------


def mirrors_of(module: Path) -> list[str]:
    """src/onebit/nn/_linear.py -> tests/nn/test_linear.py or, if another folder has that name, test_nn_linear.py."""
    inside = module.relative_to(SRC)
    stem = inside.stem.strip("_")
    return [
        (ROOT / "tests" / inside.parent / name).relative_to(ROOT).as_posix()
        for name in (f"test_{stem}.py", f"test_{inside.parent.name}_{stem}.py")
    ]


def test_every_module_has_a_test_file_of_its_name() -> None:
    modules = [path for path in sources("src/onebit") if path.name != "__init__.py"]
    tests = {path: mirrors_of(path) for path in modules}
    missing = {
        relative(path): f"lacks {names[0]}"
        for path, names in tests.items()
        if not any((ROOT / name).is_file() for name in names)
    }
    assert unexpected(missing, NO_TEST_OF_ITS_OWN) == []


def test_every_test_file_has_a_module_of_its_name() -> None:
    mirrored = {name for path in sources("src/onebit") for name in mirrors_of(path)}
    tests = [relative(path) for path in sources("tests") if path.name.startswith("test_")]
    orphans = {path: "mirrors no module" for path in tests if path not in mirrored and not path.startswith(NOT_MIRRORS)}
    assert unexpected(orphans, NO_MODULE_OF_ITS_OWN) == []


def is_documentation(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def test_a_package_is_a_list_of_names() -> None:
    """`from onebit.nn._linear import BinaryLinear as BinaryLinear`: the alias says that the name is public."""
    plain: list[str] = []
    more: dict[str, str] = {}
    for path in SRC.rglob("__init__.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("onebit"):
                names = [alias for alias in node.names if not (alias.asname or "").startswith("_")]
                plain += [f"{relative(path)}: {alias.name}" for alias in names if alias.asname != alias.name]
        others = [node for node in tree.body if not isinstance(node, ast.ImportFrom) and not is_documentation(node)]
        if others:
            more[relative(path)] = f"line {others[0].lineno}: holds more than a docstring and imports"
    assert plain == []
    assert unexpected(more, MORE_THAN_A_LIST) == []
