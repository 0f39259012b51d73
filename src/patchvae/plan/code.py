"""The code behind a job: modules whose statements decide its result."""

import functools

from patchvae.params import kinds
from patchvae.params.reading import Params
from patchvae.params.variants import variants
from patchvae.plan.kinds import Wildcards
from patchvae.plan.layout import KINDS, fill
from patchvae.plan.names import PARTS_FIGURES
from patchvae.records.provenance import code_sha256

# Rule -> the name of its code, and the module on which its jobs depend; `/` where a model's kind counts
COMMANDS = {rule: (kind.code or rule).partition("/")[0] for rule, kind in KINDS.items()}
MODULES = {COMMANDS[rule]: kind.module for rule, kind in KINDS.items() if kind.module} | PARTS_FIGURES
OF_A_KIND = tuple(COMMANDS[rule] for rule, kind in KINDS.items() if "/" in kind.code)
OF_PATCHVAE = ("score_parts", "real_parts", *PARTS_FIGURES)


def modules_of(command: str, kind: str | None = None) -> tuple[str, ...]:
    """The modules on which a command depends, for a model of this kind."""
    kind = "patchvae" if command in OF_PATCHVAE else kind
    return (MODULES[command], *(kinds.modules(kind) if kind else ()))


@functools.cache
def fingerprint(*modules: str) -> str:
    """What the code of a job is."""
    return code_sha256(*modules)


def modules_of_job(params: Params, rule: str, wildcards: Wildcards) -> tuple[str, ...]:
    """The modules whose statements decide one job's result."""
    command = fill(COMMANDS[rule], params, wildcards)
    if command not in OF_A_KIND:
        return modules_of(command)
    return modules_of(command, str(params["variants"][variants(params)[wildcards["variant"]].base]["model"]))
