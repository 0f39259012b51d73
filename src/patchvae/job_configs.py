"""What `--config` may hold, command by command: closed, strict models of what `resolve` returns.

The limits are those of the parameters' schema, and a test holds the two together.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from patchvae.config import did_you_mean, shown
from patchvae.errors import PatchVAEError
from patchvae.models.sizes import STRIDES


def _once(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise ValueError("Input should hold nothing twice")
    return values


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]{0,63}$")]
Row = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+=-]{0,199}$")]  # with a swept key or epoch
Swept = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,64}$")]
Run = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$")]
Location = Annotated[str, Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_once)]
Names = Annotated[list[Name], Field(min_length=1), AfterValidator(_once)]
Rows = Annotated[list[Row], Field(min_length=1), AfterValidator(_once)]
Regime = Literal["none", "conv1", "conv1-3", "conv1-5"]
Select = Literal["last", "best"]
Backbone = Literal["resnet9", "resnet18"]
HeadPool = Literal["flatten", "average"]
Init = Literal["kaiming", "torch"]
ImageSize = Annotated[int, Field(ge=16, le=1024, multiple_of=8)]
Classes = Annotated[int, Field(ge=2, le=100_000)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Width = Annotated[int, Field(ge=1, le=65_536)]
BatchSize = Annotated[int, Field(ge=2, le=65_536)]
EpochImages = Literal["dataset"] | Annotated[int, Field(ge=1, le=1_000_000_000)]
LearningRate = Annotated[float, Field(ge=1e-9, le=10)]
Share = Annotated[float, Field(ge=0, lt=1)]
AdamBetas = Annotated[list[Share], Field(min_length=2, max_length=2)]
Weight = Annotated[float, Field(ge=0, le=1_000_000)]
Heat = Annotated[float, Field(ge=0.001, le=1000)]


class Strict(BaseModel):
    """Nothing is converted, nothing is left out, nothing is added."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


# ---- data


class Source(Strict):
    location: Location
    checksum: Annotated[str, Field(pattern=r"^(md5:[0-9a-fA-F]{32}|sha256:[0-9a-fA-F]{64}|unverified)$")]


class Download(Strict):
    dataset: Name
    sources: Annotated[dict[FileName, Source], Field(min_length=1)]


class Prepare(Strict):
    dataset: Name
    format: Literal["cifar100", "indoor67", "places205", "imagenet", "folders", "lists"]
    image_size: ImageSize
    num_classes: Classes
    max_undecodable: Annotated[int, Field(ge=0, le=100_000_000)]


class DigitScenes(Strict):
    dataset: Name
    format: Literal["digit-scenes"]
    image_size: Annotated[int, Field(ge=32, le=1024, multiple_of=32)]
    num_classes: Literal[10]
    train_images: Annotated[int, Field(ge=10, le=10_000_000)]
    test_images: Annotated[int, Field(ge=10, le=10_000_000)]
    seed: Seed


class MaskOptions(Strict):
    patch_size: Annotated[int, Field(ge=1, le=1024)]
    per_channel: bool
    normalise: Literal["mean-one", "sum-one"]


class Masks(MaskOptions):
    image_size: ImageSize

    @model_validator(mode="after")
    def patches_fill_the_image(self) -> Self:
        if self.image_size % self.patch_size:
            raise ValueError(f"image_size: {self.image_size} is not a multiple of patch_size = {self.patch_size}")
        return self


class Inception(Strict):
    location: Location
    checksum: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


# ---- networks


class Network(Strict):
    backbone: Backbone
    init: Init


class RandomNetwork(Network):
    name: Literal["random"]
    statistics: Literal["initial", "data"]


class SupervisedNetwork(Network):
    name: Literal["supervised"]
    hidden_dim: Width
    head_pool: HeadPool
    num_classes: Classes


class BiGANNetwork(Network):
    name: Literal["bigan"]
    latent_dim: Width


class BetaVAENetwork(Network):
    name: Literal["beta-vae"]
    latent_dim: Width
    beta: Weight


class Temperature(Strict):
    start: Heat
    rate: Annotated[float, Field(ge=0, le=1)]
    floor: Heat
    schedule: Literal["exponential", "compounding"]
    interval: Annotated[int, Field(ge=1, le=1_000_000_000)]

    @model_validator(mode="after")
    def it_falls(self) -> Self:
        if self.floor > self.start:
            raise ValueError(f"floor: {self.floor} is above start = {self.start}")
        return self


class PatchVAENetwork(Network):
    name: Literal["patchvae"]
    num_parts: Annotated[int, Field(ge=2, le=4096)]
    part_dim: Width
    beta_app: Weight
    beta_occ: Weight
    occurrence_prior: Literal["1/N"] | Annotated[float, Field(ge=1e-6, le=0.999999)]
    occurrence_kl: Literal["sum", "mean"]
    hard_occurrence: bool
    detach_occurrence: bool
    temperature: Temperature


# ---- trainings and measurements


class Images(Strict):
    dataset: Name
    image_size: ImageSize
    stand_in: bool
    input_scaling: Literal["symmetric", "imagenet"]
    precision: Literal["auto", "fp32", "bf16"]


class Measured(Images):
    variant: Row
    seed: Seed


class Reconstruct(Measured):
    sample: bool
    temperature: Literal["last"] | Heat


class RandomPretrain(Measured):
    model: RandomNetwork
    flip: bool

    @model_validator(mode="after")
    def strides_fit(self) -> Self:
        _refuse_stride(self.image_size, self.model.backbone)
        return self


class Training(Strict):
    epochs: Epochs
    batch_size: BatchSize
    lr: LearningRate
    epoch_images: EpochImages


class TrainedPretrain(RandomPretrain, Training):
    adam_betas: AdamBetas
    snapshots: Annotated[list[Epochs], AfterValidator(_once)]

    @model_validator(mode="after")
    def snapshots_come_before_the_end(self) -> Self:
        for epoch in self.snapshots:
            if epoch >= self.epochs:
                raise ValueError(f"snapshots: {epoch} is not before the last of {self.epochs} epochs")
        return self


class SupervisedPretrain(TrainedPretrain):
    model: SupervisedNetwork  # type: ignore[assignment]
    labels: Literal["given", "shuffled"]


class BiGANPretrain(TrainedPretrain):
    model: BiGANNetwork  # type: ignore[assignment]
    gradient_penalty: Weight
    weighted_loss: Literal[False]
    gan: None


class Gan(Strict):
    weight: Weight
    generator_step: Literal["joint", "double"]
    lr: LearningRate
    adam_betas: AdamBetas


class VAEPretrain(TrainedPretrain):
    model: Annotated[BetaVAENetwork | PatchVAENetwork, Field(discriminator="name")]  # type: ignore[assignment]
    weighted_loss: bool
    gan: Gan | None


class Pretrained(Strict):
    dataset: Name
    variant: Row
    snapshot: Epochs | None


class Probe(Measured):
    pretrained: Pretrained
    num_classes: Classes
    backbone: Backbone
    pool: Annotated[int, Field(ge=1, le=64)]
    holdout: Annotated[float, Field(ge=0.01, le=0.9)]
    lambdas: Annotated[list[Annotated[float, Field(ge=1e-12, le=1e12)]], Field(min_length=2), AfterValidator(_once)]


class Finetune(Measured, Training):
    pretrained: Pretrained
    regime: Regime
    head: Name
    num_classes: Classes
    flip: bool
    backbone: Backbone
    head_pool: HeadPool
    init: Init
    decay_every: Epochs
    momentum: Share
    weight_decay: Annotated[float, Field(ge=0, le=10)]
    hidden_dim: Width
    head_relu: bool
    head_dropout: Share
    standardise: bool
    labels_per_class: Literal["all"] | Annotated[int, Field(ge=1, le=100_000_000)]
    train_batch_norm: bool
    frozen_batch_norm: Literal["eval", "train"]

    @model_validator(mode="after")
    def strides_fit(self) -> Self:
        _refuse_stride(self.image_size, self.backbone)
        return self


def _refuse_stride(size: int, backbone: str) -> None:
    if size % STRIDES[backbone]:
        raise ValueError(f"image_size: {size} is not a multiple of {backbone}'s stride {STRIDES[backbone]}")


# ---- reports


class Report(Strict):
    run: Run
    seeds: Seeds


class Table1(Report):
    select: Select
    datasets: Names
    variants: Rows
    regimes: Annotated[list[Regime], Field(min_length=1), AfterValidator(_once)]
    heads: Names


class ProbeTable(Report):
    datasets: Names
    variants: Rows


class Lengths(ProbeTable):
    select: Select
    regime: Regime
    heads: Names
    epochs: Annotated[list[Epochs], Field(min_length=1), AfterValidator(_once)]


class HeadSettings(Strict):
    head_relu: bool
    head_dropout: Share
    batch_size: BatchSize | None = None
    lr: LearningRate | None = None
    decay_every: Epochs | None = None
    momentum: Share | None = None
    weight_decay: Annotated[float, Field(ge=0, le=10)] | None = None
    standardise: bool | None = None
    train_batch_norm: bool | None = None
    frozen_batch_norm: Literal["eval", "train"] | None = None


class Sensitivity(Strict):
    run: Run
    seed: Seed
    select: Select
    datasets: Names
    variants: Rows
    regime: Regime
    base_head: Name
    heads: Names
    settings: dict[Name, HeadSettings]


class Table2(Report):
    select: Select
    dataset: Name
    variants: Rows
    regime: Regime
    head: Name
    supervised: Row


class Sweep(Report):
    select: Select
    variant: Row
    regime: Regime
    head: Name
    datasets: Names
    key: Swept
    variants: dict[str, Row]
    paper_column: str | None


class Table7(Report):
    dataset: Name
    variants: Rows
    sample: bool
    temperature: Literal["last"] | Heat


class PartsTable(Report):
    datasets: Names
    variant: Row


class FigureMasks(MaskOptions):
    rows: Annotated[int, Field(ge=1, le=64)]


class FigureParts(Measured):
    rows: Annotated[int, Field(ge=1, le=64)]
    crop_cells: Annotated[int, Field(ge=1, le=128)]
    max_images: Annotated[int, Field(ge=10, le=100_000_000)]


PRETRAIN: dict[str, type[Strict]] = {
    "random": RandomPretrain,
    "supervised": SupervisedPretrain,
    "bigan": BiGANPretrain,
    "beta-vae": VAEPretrain,
    "patchvae": VAEPretrain,
}
MODELS: dict[str, type[Strict]] = {
    "download": Download,
    "prepare": Prepare,
    "masks": Masks,
    "inception": Inception,
    "finetune": Finetune,
    "probe": Probe,
    "reconstruct": Reconstruct,
    "fid": Reconstruct,
    "score-parts": Measured,
    "table1": Table1,
    "claims": Table1,
    "probe-table": ProbeTable,
    "lengths": Lengths,
    "sensitivity": Sensitivity,
    "table2": Table2,
    "sweep": Sweep,
    "table7": Table7,
    "parts-table": PartsTable,
    "figure-masks": FigureMasks,
    "figure-parts": FigureParts,
}


def check_config(command: str, config: Mapping[str, Any]) -> Strict:
    """The model of a command's configuration; raises PatchVAEError with one sentence that names the first wrong key."""
    model = _model(command, config)
    try:
        return model.model_validate(config)
    except ValidationError as error:
        raise PatchVAEError(f"--config: {_sentence(config, error.errors(include_url=False))}") from error


def _model(command: str, config: Mapping[str, Any]) -> type[Strict]:
    if command == "pretrain":
        block = config.get("model")
        name = block.get("name") if isinstance(block, dict) else None
        if not isinstance(name, str) or name not in PRETRAIN:
            hint = did_you_mean(str(name), [*PRETRAIN])
            raise PatchVAEError(f"--config: model.name: {shown(name)} is none of {', '.join(PRETRAIN)}{hint}")
        return PRETRAIN[name]
    if command == "prepare" and config.get("format") == "digit-scenes":
        return DigitScenes
    return MODELS[command]


def _sentence(config: Mapping[str, Any], errors: list[Any]) -> str:
    # A misspelt key is also a missing one: say the former.
    first = min(errors, key=lambda error: error["type"] != "extra_forbidden")
    path, value = _path(config, first), first["input"]
    key = ".".join(path)
    if first["type"] == "extra_forbidden":
        known = {name for model in _models(Strict) for name in model.model_fields}
        if path[-1] in known:
            return f"{key}: does not belong here"
        return f"{key}: unknown key{did_you_mean(path[-1], sorted(known))}"
    if first["type"] == "missing":
        return f"{key}: missing"
    # Each alternative of a union has its own word.
    messages = [error["msg"].removeprefix("Value error, ") for error in errors if _path(config, error) == path]
    if not path:
        return messages[0]
    text = " or ".join(message[0].lower() + message[1:] for message in messages)
    text = re.sub(r"valid dictionary or instance of \w+", "JSON object", text)
    hint = did_you_mean(value, re.findall(r"'([^']+)'", messages[0])) if isinstance(value, str) else ""
    return f"{key}: {text}, not {shown(value)}{hint}"


def _path(config: Mapping[str, Any], error: Any) -> list[str]:
    """The keys to what is wrong, without the names of a union's alternatives that pydantic puts among them."""
    path: list[str] = []
    node: Any = config
    *parents, last = error["loc"] or (None,)
    for part in parents:
        if (isinstance(node, dict) and part in node) or isinstance(node, list):
            path.append(str(part))
            node = node[part]
    known = isinstance(node, list) or (isinstance(node, dict) and last in node)
    return [*path, str(last)] if known or error["type"] == "missing" else path


def _models(model: type[Strict]) -> list[type[Strict]]:
    return [model, *(other for child in model.__subclasses__() for other in _models(child))]
