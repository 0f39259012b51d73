"""PatchVAE's tables and figures: download -> prepare -> masks -> pretrain -> finetune, evaluate -> tables, figures.

A job has a file, jobs/RUN/...json, which the plan writes when Snakemake starts, and which says what the job is and reads.
A rule shows that file and the patterns of all that its jobs may read, where ** stands for any folders and names. The
command is the same for all rules: `patchvae run JOBFILE`. It writes the outputs, and beside them a .record of what made
them, by which the plan knows which results are the wanted ones.
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/front.rst"


include: "workflow/rules/common.smk"


# The image of all rules, for `--sdm apptainer` alone: Snakemake refuses an image in a path with a space even unused.
container: str(IMAGE) if DeploymentMethod.APPTAINER in deployed else None


include: "workflow/rules/data.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"


rule all:
    default_target: True
    input:
        NEEDED,
