"""PatchVAE's tables and figures: download -> prepare -> masks -> pretrain -> finetune -> report."""

from snakemake.utils import min_version

min_version("9.0")


report: "workflow/report/front.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/masks.smk"
include: "workflow/rules/pretrain.smk"
include: "workflow/rules/finetune.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/tables.smk"
include: "workflow/rules/figures.smk"


rule all:
    default_target: True
    input:
        every_output(),


# What every job needs, with `--sdm conda` or `--sdm apptainer` only; otherwise jobs run with the Python of Snakemake.
# Without being asked for an image, Snakemake refuses one in a path with a space all the same.
for each in workflow.rules:
    each.conda_env = str(ROOT / "workflow/envs/patchvae.yaml")
    each.container_img = str(IMAGE) if DeploymentMethod.APPTAINER in deployed else None
