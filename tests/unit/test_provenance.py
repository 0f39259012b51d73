"""Which source files a job depends on, and what of them counts."""

import subprocess
from pathlib import Path

import pytest

from patchvae import provenance
from patchvae.errors import PatchVAEError
from patchvae.models.kinds import modules
from patchvae.provenance import code_sha256, commit, source_files, statements


def names(root: Path, *roots: str) -> set[str]:
    return {path.relative_to(root / "src/patchvae").as_posix() for path in source_files(*roots)}


def test_source_files_follow_imports_and_stop_where_they_stop(root: Path) -> None:
    pretrain = names(root, "patchvae.training.pretrain")
    assert {"__init__.py", "errors.py", "files.py", "training/pretrain.py", "training/loop.py"} <= pretrain
    # Parameters reach a job resolved, the masks it uses are a file, and what watches it is passed in.
    assert pretrain.isdisjoint({"cli.py", "config.py", "data/masks.py", "training/finetune.py"})
    watching = {"training/claim.py", "training/live.py", "training/watch.py"}
    assert pretrain.isdisjoint(watching)
    assert names(root, "patchvae.training.finetune").isdisjoint(watching)
    assert names(root, "patchvae.data.masks").isdisjoint({"training/pretrain.py", "models/patchvae.py"})


def test_a_kind_of_model_has_files_of_its_own(root: Path) -> None:
    kinds = ("beta-vae", "patchvae", "bigan", "supervised", "random")
    files = {kind: names(root, "patchvae.training.pretrain", *modules(kind)) for kind in kinds}
    assert "models/bigan.py" in files["bigan"] and "models/patchvae.py" in files["patchvae"]
    assert [kind for kind in kinds if "models/bigan.py" in files[kind]] == ["bigan"]
    assert [kind for kind in kinds if "models/patchvae.py" in files[kind]] == ["patchvae"]
    assert len({code_sha256("patchvae.training.pretrain", *modules(kind)) for kind in kinds}) == len(kinds)


def test_a_field_of_one_jobs_configuration_touches_no_other_job(root: Path) -> None:
    jobs = {
        "patchvae": ("patchvae.training.pretrain", *modules("patchvae")),
        "beta-vae": ("patchvae.training.pretrain", *modules("beta-vae")),
        "bigan": ("patchvae.training.pretrain", *modules("bigan")),
        "finetune": ("patchvae.training.finetune",),
        "rates": ("patchvae.training.rates",),
        "probe": ("patchvae.evaluation.probe",),
        "table1": ("patchvae.report.tables.table1",),
        "table2": ("patchvae.report.tables.table2",),
        "sensitivity": ("patchvae.report.tables.sensitivity",),
    }
    files = {job: names(root, *found) for job, found in jobs.items()}
    for config, users in {
        "models/patchvae_config.py": ["patchvae"],
        "models/beta_vae_config.py": ["beta-vae"],
        "training/objectives/vae_config.py": ["patchvae", "beta-vae"],
        "training/objectives/bigan_config.py": ["bigan"],
        "training/pretrain_config.py": ["patchvae", "beta-vae", "bigan"],
        "training/finetune_config.py": ["finetune", "rates"],
        "training/head_config.py": ["finetune", "rates", "sensitivity"],
        "evaluation/probe_config.py": ["probe"],
        "report/tables/table2.py": ["table2"],
        "params.py": [],
        "messages.py": [],
        "job_configs.py": [],
    }.items():
        assert [job for job in jobs if config in files[job]] == users, config


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


def test_the_statements_of_every_module_are_its_program(root: Path) -> None:
    """Without its docstrings a module compiles to the same instructions, but for a body that was a docstring alone."""
    import ast

    def program(text: str) -> str:
        tree = ast.parse(text)
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                first = node.body[0]
                if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                    node.body = node.body[1:]
        return ast.unparse(tree)

    for name in ("provenance.py", "cli.py", "training/finetune.py", "report/tables/words.py"):
        text = (root / "src/patchvae" / name).read_text(encoding="utf-8")
        assert program(statements(text)) == program(text), name


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
