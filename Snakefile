"""PatchVAE's tables and figures: download -> prepare -> masks -> pretrain -> finetune, evaluate -> tables, figures.

A job has a file, jobs/RUN/...json, which the plan writes when Snakemake starts, and which says what the job is and reads.
A rule shows that file and the patterns of all that its jobs may read: in them {name} stands for any one name, and ** for
any folders and names. A rule that begins with `use rule OTHER as` takes from OTHER what it does not say itself, such as
the environment and the command. The command is the same for all rules: `patchvae run JOBFILE`. It writes the outputs, and
beside them a .record of what made them. By these records the plan decides which results are right.
"""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/front.rst"


include: "workflow/rules/common.smk"


# The image of all rules, for `--sdm apptainer` alone: Snakemake refuses a path with a space even where it uses no image.
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
