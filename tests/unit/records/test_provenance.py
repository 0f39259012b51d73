"""Which source files a job depends on, and what of them counts."""

import ast
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from patchvae.errors import PatchVAEError
from patchvae.params.model_kinds import modules
from patchvae.records import provenance
from patchvae.records.provenance import code_sha256, commit, computes, source_files, statements

LEFT_OUT = ("cli", "commands", "errors", "files", "jobs", "params", "plan", "records")


def names(root: Path, *roots: str) -> set[str]:
    return {path.relative_to(root / "src/patchvae").as_posix() for path in source_files(*roots)}


def test_source_files_follow_imports_and_stop_where_they_stop(root: Path) -> None:
    pretrain = names(root, "patchvae.training.pretrain")
    assert {"training/pretrain.py", "training/loop.py", "hardware.py"} <= pretrain
    assert pretrain.isdisjoint({"data/masks.py", "data/packed.py", "training/finetune.py"})
    assert "models/weights.py" in names(root, "patchvae.training.finetune")
    assert names(root, "patchvae.data.masks").isdisjoint({"training/pretrain.py", "models/patchvae.py"})


@pytest.mark.parametrize("module", ["patchvae.training.pretrain", "patchvae.evaluation.fid", "patchvae.data.prepare"])
def test_what_computes_nothing_is_left_out(root: Path, module: str) -> None:
    files = names(root, module)
    assert not [name for name in files if name.removesuffix(".py").split("/")[0] in LEFT_OUT]
    assert not [name for name in files if name.endswith("__init__.py")]


def test_a_module_computes_by_its_place() -> None:
    assert computes("patchvae.losses") and computes("patchvae.planner.names") and computes("torch.jobs")
    assert not any(computes(name) for name in ("patchvae", "patchvae.jobs", "patchvae.plan.kinds", "patchvae.cli"))


def test_a_kind_of_model_has_files_of_its_own(root: Path) -> None:
    kinds = ("beta-vae", "patchvae", "bigan", "supervised", "random")
    files = {kind: names(root, "patchvae.training.pretrain", *modules(kind)) for kind in kinds}
    assert "models/bigan.py" in files["bigan"] and "models/patchvae.py" in files["patchvae"]
    assert [kind for kind in kinds if "models/bigan.py" in files[kind]] == ["bigan"]
    assert [kind for kind in kinds if "models/patchvae.py" in files[kind]] == ["patchvae"]
    assert len({code_sha256("patchvae.training.pretrain", *modules(kind)) for kind in kinds}) == len(kinds)


def test_code_hashes_differ_between_modules() -> None:
    assert code_sha256("patchvae.data.masks") == code_sha256("patchvae.data.masks")
    assert code_sha256("patchvae.data.masks") != code_sha256("patchvae.data.prepare")


def test_an_unknown_module_is_an_error() -> None:
    with pytest.raises(PatchVAEError, match=r"no module patchvae\.nothing"):
        source_files("patchvae.nothing")


SOURCE = '''"""What it is."""

import os


class Thing:
    """A thing."""

    def name(self) -> str:
        """Its name: é."""
        text = """two

        lines  # no comment
        """
        return f"{text}#{os.sep}"
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"""What it is."""\n', ""),
        ("What it is.", "What it\nis, at length\n"),
        ("import os\n", "import os  # why\n"),
        ("import os\n", "# why\nimport os\n\n\n\n"),
        ("A thing.", "Another thing."),
        ("Its name: é.", "Its name."),
        ("        text =", "\n        # why\n\n        text ="),
        ('#{os.sep}"\n', '#{os.sep}"   \n\n\n'),
        ("\n", "\r\n"),
    ],
)
def test_comments_docstrings_and_blank_lines_do_not_count(old: str, new: str) -> None:
    assert SOURCE.count(old) >= 1
    assert statements(SOURCE.replace(old, new)) == statements(SOURCE)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("two\n\n", "two\n"),  # within a string
        ("# no comment", "# a comment"),
        ("#{os", "# {os"),
        ("import os", "import os, sys"),
        ("        return", "    return"),
    ],
)
def test_statements_and_strings_count(old: str, new: str) -> None:
    assert SOURCE.count(old) == 1
    assert statements(SOURCE.replace(old, new)) != statements(SOURCE)


TELLS = '''import logging
import warnings

import torch

from patchvae.errors import PatchVAEError
from patchvae.losses import squared_error
from patchvae.records import checkpoint

log = logging.getLogger(__name__)


def mean(values: list[float], é: str) -> float:
    assert len(values) < 1000, f"{é}: too many"
    if not values:
        log.warning("%s: nothing", é)
        raise PatchVAEError(f"{é}: {'nothing'}")
    try:
        é = """two

        lines"""; raise ValueError(é)  # why
    except ValueError as error:
        warnings.warn("é", stacklevel=2); print("é", é); total = sum(values)
        if total < 0:
            raise PatchVAEError(
                "é: "  # why
                "(less than nothing)"
            ) from error
    return total / len(values)
'''


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("too many", "more than é"),
        (', f"{é}: too many"', ""),
        ("{'nothing'}", "{'no value: é'}"),
        ("(less than nothing)", "below 0"),
        ("raise PatchVAEError(\n", "raise FileNotFoundError(\n"),
        ('"é: "  # why\n', '"é: "\n                """any\n\n  lines"""\n'),
        (") from error", ")"),
        ('"%s: nothing", é', "next(values)"),  # the price
        ('        log.warning("%s: nothing", é)\n', ""),
        ('print("é", é)', "print()"),
        ('warnings.warn("é", stacklevel=2)', "logger.info('é')"),
        ("import warnings\n", ""),
        ("import logging\n", ""),
        ("log = logging.getLogger(__name__)\n", ""),
        ("patchvae.errors import PatchVAEError", "patchvae.files import (\n    atomic,\n    read_json,\n)"),
        ("from patchvae.records import checkpoint\n", ""),
        ("from patchvae.records import checkpoint", "import patchvae.records.checkpoint as checkpoint"),
        ("from patchvae.records import checkpoint", "from patchvae import errors, files"),
    ],
)
def test_error_sentences_log_lines_and_their_imports_do_not_count(old: str, new: str) -> None:
    assert TELLS.count(old) == 1
    ast.parse(TELLS.replace(old, new))
    assert statements(TELLS.replace(old, new)) == statements(TELLS)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("< 1000", "< 100"),
        ("if not values:", "if len(values) < 2:"),
        ("total < 0", "total <= 0"),
        ("        if total < 0:", "        if total > 0:\n            pass\n        elif total < 0:"),
        ("raise ValueError(é)", "return 0.0"),
        ("two\n\n", "two\n"),
        ("; total = sum(values)", "; total = max(values)"),
        ("total / len", "total // len"),
        ('log.warning("%s: nothing", é)', "log.append(é)"),
        ('log.warning("%s: nothing", é)', "values = list(map(float, é))"),
        ("log = logging.getLogger(__name__)", "log = open(__file__)"),
        ("patchvae.losses import squared_error", "patchvae.models.losses import squared_error"),
        ("from patchvae.losses import", "from patchvae import files, losses\nfrom patchvae.losses import"),
        ("import torch\n", "import torch, logging\n"),
        ("import torch\n", "import torch\nfrom . import errors\n"),
    ],
)
def test_what_computes_beside_them_counts(old: str, new: str) -> None:
    assert TELLS.count(old) == 1
    ast.parse(TELLS.replace(old, new))
    assert statements(TELLS.replace(old, new)) != statements(TELLS)


def test_the_statements_of_every_module_are_its_program(root: Path) -> None:
    """All that is missing is what `Silent` drops from the syntax tree; a body may have become empty."""

    class Silent(ast.NodeTransformer):
        def visit_Raise(self, node: ast.Raise) -> ast.AST:
            return ast.Raise()

        def visit_Assert(self, node: ast.Assert) -> ast.AST:
            return ast.Assert(node.test)

        def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
            said = ast.unparse(node).startswith(("log.", "logger.", "warnings.warn(", "watch.note(", "print("))
            return None if said or isinstance(node.value, ast.Constant) else self.generic_visit(node)

        def visit_Assign(self, node: ast.Assign) -> ast.AST | None:
            return None if "logging.getLogger" in ast.unparse(node) else self.generic_visit(node)

        def visit_Import(self, node: ast.Import) -> ast.AST | None:
            return None if node.names[0].name in ("logging", "warnings", "patchvae") else node

        def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST | None:
            assert node.module is not None
            package, _, rest = node.module.partition(".")
            inner = rest or node.names[0].name
            return None if package == "patchvae" and inner.split(".")[0] in LEFT_OUT else node

        def visit_Pass(self, node: ast.Pass) -> None:
            return None

    def indent(line: str) -> int:
        return len(line) - len(line.lstrip())

    def filled(text: str) -> str:
        lines = [*text.split("\n"), ""]
        for number in range(len(lines) - 1):
            if lines[number].endswith(":") and indent(lines[number + 1]) <= indent(lines[number]):
                lines[number] += " pass"
        return "\n".join(lines)

    for path in sorted((root / "src/patchvae").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        kept = ast.unparse(Silent().visit(ast.parse(filled(statements(text)))))
        assert kept == ast.unparse(Silent().visit(ast.parse(text))), path


Fingerprints = Callable[[], tuple[str, ...]]


@pytest.fixture
def fingerprints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fingerprints]:
    """The fingerprints of a pretraining and a fine-tuning by the text of the package in `tmp_path`, a copy."""
    caches = (provenance._source_files, provenance._imports, provenance._statements_of)

    def clear() -> None:
        for cache in caches:
            cache.cache_clear()

    def found() -> tuple[str, ...]:
        clear()
        return (
            code_sha256("patchvae.training.pretrain", *modules("patchvae")),
            code_sha256("patchvae.training.finetune"),
        )

    shutil.copytree(provenance.PACKAGE, tmp_path, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    yield found
    clear()


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_an_edit_of_what_computes_nothing_trains_nothing_anew(tmp_path: Path, fingerprints: Fingerprints) -> None:
    before = fingerprints()
    edit(tmp_path / "training/loop.py", "the loss is NaN or infinite at step", "the loss is broken since step")
    edit(tmp_path / "training/loop.py", "stopped by a signal at step", "stopped at")
    edit(tmp_path / "training/finetune.py", "features of %.1f GB are not kept in memory", "%.1f GB")
    edit(tmp_path / "losses.py", "Sum of M (x - x_hat)^2 per image", "The squared error of an image")
    edit(tmp_path / "losses.py", "EPSILON = 1e-7  # E16", "EPSILON = 1e-7  # deviation E16")
    edit(
        tmp_path / "losses.py",
        "import math\n\n",
        "import logging\nimport math\n\nfrom patchvae.files import canonical\n\nlog = logging.getLogger(__name__)\n\n",
    )
    edit(tmp_path / "losses.py", "    if weights is None:\n", "    log.info('é')\n    if weights is None:\n")
    (tmp_path / "training/__init__.py").write_text('"""Trainings."""\n')
    for name in LEFT_OUT:
        for path in (*tmp_path.glob(f"{name}.py"), *tmp_path.glob(f"{name}/**/*.py")):
            path.write_text(path.read_text(encoding="utf-8") + "\nfrom patchvae.data import prepare\nX = prepare\n")
    edit(tmp_path / "__init__.py", '__version__ = "', '__version__ = "9.')
    assert fingerprints() == before


@pytest.mark.parametrize(
    ("name", "old", "new", "changed"),
    [
        ("losses.py", "return error.sum() / len(images)", "return error.mean()", [True, False]),
        ("losses.py", "EPSILON = 1e-7", "EPSILON = 1e-6", [True, False]),
        ("models/patchvae.py", "class PatchVAE(nn.Module):", "class PatchVAE(nn.Module):\n    X = 1", [True, False]),
        ("models/resnet.py", "import torch\n", "import torch\n\nX = 1\n", [True, True]),
        ("models/weights.py", 'weights_of("encoder.backbone."', 'weights_of("encoder."', [False, True]),
        ("training/loop.py", "if bad != NO_STEP:", "if bad < NO_STEP:", [True, True]),
        ("training/finetune.py", "TEST_BATCH = 500", "TEST_BATCH = 250", [False, True]),
        ("training/__init__.py", "\n", "X = 1\n", [True, True]),
    ],
)
def test_an_edit_of_what_computes_counts_where_it_is_used(
    name: str, old: str, new: str, changed: list[bool], tmp_path: Path, fingerprints: Fingerprints
) -> None:
    before = fingerprints()
    edit(tmp_path / name, old, new)
    assert [new != old for new, old in zip(fingerprints(), before, strict=True)] == changed


def test_what_computes_takes_no_number_from_what_does_not_count() -> None:
    """A threshold in a module that is left out would change results without a new fingerprint."""
    words = {"ABSENT", "AGAIN", "AS_WRITTEN", "DIGESTS", "EPOCHS", "FLOORS", "HASHED", "KINDS", "MASKS_MANIFEST"}
    found = set()
    for path in provenance.PACKAGE.rglob("*.py"):
        module = ".".join(("patchvae", *path.relative_to(provenance.PACKAGE).with_suffix("").parts))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if provenance.computes(module) else ():
            source = node.module or "" if isinstance(node, ast.ImportFrom) else ""
            if source.startswith("patchvae") and not provenance.computes(source):
                found |= {alias.name for alias in node.names if alias.name.isupper()}
    assert found <= words


def test_the_commit_is_told_where_there_is_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path)
    assert commit() is None
    (tmp_path / "__init__.py").write_text("")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=test", "-c", "user.email=test@example.org"]
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "State"]):
        subprocess.run([*git, *words], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout
    assert commit() == head[:12]
    (tmp_path / "__init__.py").write_text("X = 1\n")
    assert commit() == head[:12] + "+"
