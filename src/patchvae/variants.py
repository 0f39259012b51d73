"""Variants, sweeps and data sets: what a name in the parameters stands for."""

from typing import Any

from patchvae.config import Params, get, merge, put, setting, sweeps

OVERRIDES = ("model", "pretrain", "finetune", "masks")  # blocks of which a data set may have values of its own
# Swept key: the paper's table and its column of values
SWEEPS = {
    "num_parts": ("table3", "n_parts"),
    "part_dim": ("table4", "d_p"),
    "occurrence_prior": ("table5", "prior"),
    "beta_occ": ("table6", "beta_occ"),
}


def sweep_table(key: str) -> str:
    """The name of the table of a swept key: `table3` to `table6`, or `sweep_KEY`."""
    return SWEEPS[key][0] if key in SWEEPS else f"sweep_{key}"


def sweep_tables(params: Params) -> dict[str, str]:
    """Tables of the run's sweeps, each with its swept key."""
    return {sweep_table(key): key for key in sweeps(params)}


def text_of(value: Any) -> str:
    """A swept value as text; a fraction's stroke cannot be in a file's name."""
    return str(value).replace("/", "_")


def swept(params: Params, key: str, value: Any) -> str:
    """The variant with one value of a sweep: the swept variant itself where the value is the one that it has."""
    base: str = params["ablation_base"]["variant"]
    return base if get(params, setting(params, key)) == value else f"{base}.{key}={text_of(value)}"


def variants(params: Params) -> dict[str, tuple[str, str, Any] | None]:
    """All variants by name; those of a sweep with their base, key and value."""
    names: dict[str, tuple[str, str, Any] | None] = dict.fromkeys(params["variants"])
    for key, values in sweeps(params).items():
        for value in values:
            names.setdefault(swept(params, key, value), (params["ablation_base"]["variant"], key, value))
    return names


def settings(params: Params, dataset: str, variant: str | None = None) -> tuple[Params, Params]:
    """The parameters as a data set and a variant have them, and the variant's block."""
    block = params["datasets"][dataset]
    own = merge(params, {name: block[name] for name in OVERRIDES if name in block})
    if variant is None:
        return own, {}
    origin = variants(params)[variant]
    if origin is not None:
        variant, key, value = origin
        own = put(own, setting(params, key), value)
    return own, own["variants"][variant]


def pretrained(params: Params, dataset: str, variant: str) -> dict[str, str]:
    """Which pretraining a fine-tuning starts from: its data set and variant."""
    origin = variants(params)[variant]
    if origin is None:
        return {"dataset": params["variants"][variant].get("pretrain_on", dataset), "variant": variant}
    base, key, _ = origin
    # A sweep over the fine-tuning shares one pretraining.
    return {"dataset": dataset, "variant": base if setting(params, key)[0] == "finetune" else variant}


def weighted(params: Params, variant: str) -> bool:
    """Whether a variant trains with L_w and so needs weight masks."""
    origin = variants(params)[variant]
    return bool(params["variants"][origin[0] if origin else variant].get("weighted_loss", False))


def raw(params: Params, dataset: str) -> str:
    """The data set whose sources a data set is made from: itself, or the one it shares them with."""
    return str(params["datasets"][dataset].get("raw", dataset))


def sources(params: Params, dataset: str) -> Params:
    """The sources of a data set by file name, without those that an overlay set to null; none for digit scenes."""
    named = params["datasets"][raw(params, dataset)].get("sources", {})
    return {name: source for name, source in named.items() if source}


def is_demo(block: Params) -> bool:
    """Whether a data set only stands in for one of the paper's."""
    return block["format"] == "digit-scenes" or bool(block.get("stand_in"))
