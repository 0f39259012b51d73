"""What a result was made from: configuration, source code, versions."""

import ast
import functools
import hashlib
import importlib.metadata
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import patchvae
from patchvae.errors import PatchVAEError
from patchvae.files import canonical

PACKAGE = Path(patchvae.__file__).parent


def source_files(module: str) -> list[Path]:
    """The package's source files that a module needs, itself included, transitively and sorted.

    Found by reading import statements (those inside functions too), so nothing is imported. Raises PatchVAEError for
    a module that the package does not have.
    """
    if _file_of(module) is None:
        raise PatchVAEError(f"no module {module} in {PACKAGE}")
    return list(_source_files(module))


@functools.cache
def _source_files(module: str) -> tuple[Path, ...]:
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or path in seen:
            continue
        seen.add(path)
        waiting += _imports(path)
        if "." in name:  # importing a module runs its package's __init__
            waiting.append(name.rpartition(".")[0])
    return tuple(sorted(seen))


def _file_of(module: str) -> Path | None:
    root, *rest = module.split(".")
    if root != patchvae.__name__:
        return None
    place = PACKAGE.joinpath(*rest)
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


@functools.cache
def _imports(path: Path) -> tuple[str, ...]:
    return tuple(_names(ast.parse(path.read_bytes(), filename=str(path))))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # the name may be a module


def code_sha256(module: str) -> str:
    """SHA-256 over the names and contents of `source_files(module)`."""
    digest = hashlib.sha256()
    for path in source_files(module):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def config_sha256(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration's canonical JSON."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions of what a number may depend on: python, torch, patchvae."""
    return {
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "patchvae": patchvae.__version__,
    }
