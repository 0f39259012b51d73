"""What a result was made from: configuration, source code, commit, versions."""

import ast
import functools
import hashlib
import importlib.metadata
import io
import platform
import subprocess
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import patchvae
from patchvae.errors import PatchVAEError
from patchvae.files import canonical

PACKAGE = Path(patchvae.__file__).parent
# Modules that hand parameters, files, records and plans around. They change a number only through a configuration or an
# input file, and both are compared on their own.
LEFT_OUT = (
    "patchvae",  # the package's own __init__
    "patchvae.cli",
    "patchvae.commands",
    "patchvae.errors",
    "patchvae.files",
    "patchvae.jobs",
    "patchvae.params",
    "patchvae.plan",
    "patchvae.records",
)
LEVELS = ("debug", "info", "warning", "error", "exception", "critical", "log")
# Calls that write to a log or a terminal; no statement uses what they return
LOGGING = {"print", "warnings.warn", "watch.note"} | {
    f"{name}.{level}" for name in ("log", "logger", "logging") for level in LEVELS
}

Place = tuple[int, int]  # line from 1 and column in characters, as `tokenize` counts


def computes(module: str) -> bool:
    """Whether a module counts in fingerprints."""
    return ".".join(module.split(".")[:2]) not in LEFT_OUT


def source_files(*modules: str) -> list[Path]:
    """The source files, sorted, of modules that compute and of all such modules that they import within the package.

    Import statements are read, those inside functions too; nothing is imported. A module that does not compute is not
    followed, and a file without statements, as most `__init__.py`, is none. Raises PatchVAEError for a module that the
    package does not have.
    """
    for module in modules:
        if _file_of(module) is None:
            raise PatchVAEError(f"no module {module} in {PACKAGE}")
    return sorted({path for module in modules for path in _source_files(module)})


@functools.cache
def _source_files(module: str) -> frozenset[Path]:
    seen: set[Path] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _file_of(name) if computes(name) else None
        if path is None or path in seen:
            continue
        seen.add(path)
        waiting += _imports(path)
        if "." in name:  # importing a module runs its package's __init__
            waiting.append(name.rpartition(".")[0])
    return frozenset(path for path in seen if _statements_of(path))


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


def code_sha256(*modules: str) -> str:
    """The fingerprint of the code behind a job: SHA-256 over the names and `statements` of `source_files(*modules)`."""
    digest = hashlib.sha256()
    for path in source_files(*modules):
        text = _statements_of(path).encode()
        digest.update(f"{path.relative_to(PACKAGE).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()


@functools.cache
def _statements_of(path: Path) -> str:
    return statements(path.read_text(encoding="utf-8"))


def statements(source: str) -> str:
    """What can change a number in a Python source, as text.

    That is its statements without comments, docstrings, blank lines and trailing blanks, without error sentences (all
    behind `raise`, the message of an assertion) and log lines (the calls of LOGGING), and without imports of modules
    that do not compute. The condition of a `raise` counts. The price: nobody looks into what is cut, so that
    `log.info(next(images))` takes an image, and an error of another class is caught elsewhere, behind its back.

    The text, as the dump of a syntax tree differs between versions of Python.
    """
    # Line feeds alone: a form feed or U+2028 ends a line for str.splitlines, but not for Python.
    lines = source.replace("\r\n", "\n").split("\n")
    cuts = list(_cuts(ast.parse(source), lines))
    inside: set[int] = set()  # lines that end within a string, where blanks count
    begun: list[int] = []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            cuts.append((token.start, token.end))
        elif token.type == tokenize.STRING:
            inside.update(range(token.start[0], token.end[0]))
        elif tokenize.tok_name[token.type] == "FSTRING_START":  # since Python 3.12
            begun.append(token.start[0])
        elif tokenize.tok_name[token.type] == "FSTRING_END":
            inside.update(range(begun.pop(), token.end[0]))
    # From the last to the first, so that places stay true; a comment within a longer cut goes before that.
    for (first, start), (last, end) in sorted(cuts, reverse=True):
        lines[first - 1] = lines[first - 1][:start] + lines[last - 1][end:]
        for number in range(first, last):
            lines[number] = ""
        inside.difference_update(range(first, last))
    kept = [line if number in inside else line.rstrip() for number, line in enumerate(lines, 1)]
    return "\n".join(line for number, line in enumerate(kept, 1) if line or number in inside)


def _cuts(tree: ast.Module, lines: list[str]) -> Iterator[tuple[Place, Place]]:
    """The beginning and end of all but the comments that `statements` leaves out."""

    def place(line: int | None, column: int | None) -> Place:  # whose column is in bytes
        assert line is not None
        return line, len(lines[line - 1].encode()[:column].decode())

    for node in ast.walk(tree):
        match node:
            case ast.Raise():
                start = place(node.lineno, node.col_offset + len("raise"))
            case ast.Assert(msg=ast.expr()):
                start = place(node.test.end_lineno, node.test.end_col_offset)
            case ast.Expr(value=ast.Constant(value=str())):  # a docstring, or any other text that is no value
                start = place(node.lineno, node.col_offset)
            case ast.Expr(value=ast.Call(func=call)) if ast.unparse(call) in LOGGING:
                start = place(node.lineno, node.col_offset)
            case ast.Assign(value=ast.Call(func=call)) if ast.unparse(call) == "logging.getLogger":
                start = place(node.lineno, node.col_offset)
            case ast.Import() | ast.ImportFrom() if _imports_nothing_that_computes(node):
                start = place(node.lineno, node.col_offset)
            case _:
                continue
        yield start, place(node.end_lineno, node.end_col_offset)


def _imports_nothing_that_computes(node: ast.Import | ast.ImportFrom) -> bool:
    names = [*_names(node)]
    return bool(names) and not any(computes(name) and name not in ("logging", "warnings") for name in names)


def config_sha256(config: Mapping[str, Any]) -> str:
    """SHA-256 of a configuration's canonical JSON."""
    return hashlib.sha256(canonical(config).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Versions that a number may depend on: python, torch, patchvae."""
    return {
        "python": platform.python_version(),
        "torch": importlib.metadata.version("torch"),
        "patchvae": patchvae.__version__,
    }


def commit() -> str | None:
    """The commit of this checkout, with a `+` where files differ from it; None where the package is not in git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(PACKAGE), *words]
        return subprocess.run(command, capture_output=True, check=True, text=True, timeout=30).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", "__init__.py")  # fails for a package in a .venv of some repository
        changed = git("status", "--porcelain", "--untracked-files=no", "--", ".")
        return git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None
