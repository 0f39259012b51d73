"""The closed model of params.yaml with its overlays. Checks of single blocks stand beside the keys.

The comment beside a key is its description in the JSON schema that editors read (see `schema`).
"""

from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from patchvae.params.classifying import FinetuneRecipe, HeadSettings, RateSearch
from patchvae.params.drawing import Shown
from patchvae.params.measuring import Draws, Inception, PartMeasures, Ridge, Sampling, Whitening
from patchvae.params.networks import BatchNormStatistics, BetaVAETerms, NumParts, PatchVAETerms
from patchvae.params.preparing import FileName, MaskOptions, PatchSize, Photos, Scenes, Source
from patchvae.params.pretraining import Gan, Labels, PretrainRecipe
from patchvae.params.reading import did_you_mean
from patchvae.params.types import (
    ABSENT,
    AS_WRITTEN,
    AdamBetas,
    Backbone,
    Epochs,
    HeadPool,
    Init,
    InputScaling,
    LearningRate,
    Location,
    Name,
    Precision,
    Regime,
    RunName,
    Seed,
    Select,
    Some,
    Strict,
    SweptKey,
    Unique,
    Weight,
    Width,
    said,
)

T = TypeVar("T")
AtMostOne = Annotated[list[T], Field(max_length=1)]
One = Annotated[list[T], Field(min_length=1, max_length=1)]


def _found(params: Any, *path: str) -> Any:
    """The value at a path of unchecked parameters; None where there is none."""
    for part in path:
        params = params.get(part) if isinstance(params, dict) else None
    return params


def _refuse(problem: str) -> None:
    raise PydanticCustomError("name", "{problem}", {"problem": problem})


# ---- names of what other keys hold


def key_of(block: str, kind: str) -> AfterValidator:
    """A key of a block of the same parameters."""

    def check(name: str, info: ValidationInfo) -> str:
        known = _found(info.context, block)
        if isinstance(known, dict) and name not in known:
            _refuse(f"unknown {kind} {name!r}, known are {', '.join(known)}{did_you_mean(name, list(known))}")
        return name

    return AfterValidator(check)


def of_model(*kinds: str) -> AfterValidator:
    """A variant of one of the kinds of model that a list is for."""

    def check(name: str, info: ValidationInfo) -> str:
        kind = _found(info.context, "variants", name, "model")
        if kind is not None and kind not in kinds:
            _refuse(f"{name} is of model {kind}, this list is for {' and '.join(kinds)}")
        return name

    return AfterValidator(check)


def of_table1(key: str) -> AfterValidator:
    """A name in one of Table 1's lists."""

    def check(name: str, info: ValidationInfo) -> str:
        known = _found(info.context, "table1", key)
        if isinstance(known, list) and name not in known:
            _refuse(f"{name} must be among table1.{key}{did_you_mean(name, known)}")
        return name

    return AfterValidator(check)


def rate(chosen: bool) -> AfterValidator:
    """A head whose rate is chosen on training images, or one with a rate of its own."""

    def check(name: str, info: ValidationInfo) -> str:
        is_chosen = _found(info.context, "heads", name, "lr") == "chosen"
        if is_chosen and not chosen:
            _refuse(f"{name} has no rate of its own (lr: chosen), which only scale_free.tuned allows")
        if chosen and not is_chosen:
            _refuse(f"{name} has a rate of its own: put it into scale_free.heads, or set heads.{name}.lr to chosen")
        return name

    return AfterValidator(check)


def no_scenes(name: str, info: ValidationInfo) -> str:
    if _found(info.context, "datasets", name, "format") == "digit-scenes":
        _refuse(f"{name} is of format digit-scenes, see data.scenes")
    return name


def scenes(otherwise: str) -> AfterValidator:
    """A data set of digit scenes; otherwise: the message for any other."""

    def check(name: str, info: ValidationInfo) -> str:
        format = _found(info.context, "datasets", name, "format")
        if format not in (None, "digit-scenes"):
            _refuse(otherwise.format(name=name, format=format))
        return name

    return AfterValidator(check)


Dataset = Annotated[str, key_of("datasets", "data set")]
Archive = Annotated[Dataset, AfterValidator(no_scenes)]
SceneSet = Annotated[Dataset, scenes("{name} is of format {format}, see data.archives")]
Scored = Annotated[Dataset, scenes("{name} has no true occurrence maps, only digit scenes have")]
Variant = Annotated[str, key_of("variants", "variant")]
VAE = Annotated[Variant, of_model("beta-vae", "patchvae")]
BiGAN = Annotated[Variant, of_model("bigan")]
Supervised = Annotated[Variant, of_model("supervised")]
Control = Annotated[Variant, of_model("random")]
HeadName = Annotated[str, key_of("heads", "head"), rate(chosen=False)]
TunedHead = Annotated[str, key_of("heads", "head"), rate(chosen=True)]
Column = Annotated[str, of_table1("datasets")]
Row = Annotated[str, of_table1("variants")]


# ---- what is packed


class Shared(Strict):
    datasets: Unique[Dataset]  # keys of `datasets` that have no sources
    sources: Dataset  # the one of `archives` whose sources they are packed from


class Data(Strict):
    archives: Unique[Archive]  # keys of `datasets` that have sources
    shared: Shared  # data sets that are packed from the sources of another one
    scenes: Unique[SceneSet]  # keys of `datasets` of format digit-scenes
    weighted: Unique[Dataset]  # keys of `datasets` that get weight masks


class Common(Strict):
    """The settings of data sets of every format."""

    image_size: int  # side of the images in pixels
    flip: bool  # horizontal flips in training
    stand_in: bool  # true for images that only stand in for the data set: tables say so
    pretrain_epochs: Epochs  # epochs of pretraining
    finetune_epochs: Epochs = ABSENT  # epochs of the classifier's training
    mask_patch_size: PatchSize = ABSENT  # side of the masks' patches in pixels; divides image_size

    @model_validator(mode="after")
    def patches_fill_the_image(self) -> Self:
        if self.mask_patch_size and self.image_size % self.mask_patch_size:
            raise ValueError(
                f"image_size: {self.image_size} is not a multiple of its mask_patch_size = {self.mask_patch_size}"
            )
        return self


Sources = Annotated[dict[FileName, Source | None], Field(min_length=1)]


class Cifar100(Photos, Common):
    format: Literal["cifar100"]  # how the data set is stored
    image_size: Annotated[int, Field(ge=32, le=32), said("32")]  # side of the images in pixels
    sources: Sources  # files that the data set comes from, by name; null for one that is not needed


class PhotoSet(Photos, Common):
    format: Literal["indoor67", "places205", "imagenet", "folders", "lists"]  # how the data set is stored
    sources: Sources = ABSENT  # files that the data set comes from, by name; none in data.shared


class DigitScenes(Scenes, Common):
    @model_validator(mode="after")
    def they_stand_in_for_photographs(self) -> Self:
        if not self.stand_in:
            raise ValueError("stand_in: must be true of drawn scenes")
        return self


# ---- what is trained


class Sizes(Strict):
    """Sizes of one variant."""

    latent_dim: Width = ABSENT  # length of the latent code of beta-VAE and BiGAN
    num_parts: NumParts = ABSENT  # number of parts N
    part_dim: Width = ABSENT  # length d_p of a part's appearance code


SIZES = {"beta-vae": {"latent_dim"}, "bigan": {"latent_dim"}, "patchvae": {"num_parts", "part_dim"}}


class Model(Strict):
    """Sizes of the networks: phi's, and by variant."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Sizes] = Field(init=False)

    backbone: Backbone  # phi: ResNet-18 cut after its second stage, or whole
    head_pool: HeadPool  # how the grid of features enters the classifier's head

    @model_validator(mode="after")
    def sizes_are_those_of_the_variant(self, info: ValidationInfo) -> Self:
        known = _found(info.context, "variants")
        for name, sizes in self.__pydantic_extra__.items() if isinstance(known, dict) else ():
            if name not in known:
                raise ValueError(f"{name}: unknown variant{did_you_mean(name, list(known))}")
            kind = _found(known, name, "model")
            for key in sorted(sizes.model_fields_set - SIZES.get(str(kind), set())):
                raise ValueError(f"{name}.{key}: {name} is of model {kind}, which has no {key}")
        return self


class BetaVAEVariant(BetaVAETerms):
    model: Literal["beta-vae"]  # kind of model


class PatchVAEVariant(PatchVAETerms):
    model: Literal["patchvae"]  # kind of model


class BiGANVariant(Strict):
    model: Literal["bigan"]  # kind of model
    lr: LearningRate  # learning rate of all its networks
    adam_betas: AdamBetas  # decay rates of Adam's moments
    gradient_penalty: Weight  # weight of the squared gradient of its discriminator's logit


class SupervisedVariant(Strict):
    model: Literal["supervised"]  # kind of model
    labels: Labels  # the data set's labels or the same dealt out at random
    epochs: Literal["dataset"] | Epochs  # dataset (its pretrain_epochs) or a whole number from 1 to 100000


class RandomVariant(BatchNormStatistics):
    model: Literal["random"]  # kind of model


# ---- what is reported


class Labelled(Strict):
    variants: Unique[Supervised]  # keys of `variants`, of model supervised
    dataset: Dataset  # the key of `datasets` whose labels they see


class Objectives(Strict):
    plain: Unique[VAE]  # keys of `variants`
    lw: Unique[VAE]  # keys of `variants`: trained with L_w
    none: Unique[Control]  # keys of `variants`, of model random


class Objectives1(Objectives):
    gan: Unique[VAE]  # keys of `variants`: with the adversarial term
    gan_lw: Unique[VAE] = Field(alias="gan+lw")  # keys of `variants`: with both
    bigan: Unique[BiGAN]  # keys of `variants`, of model bigan
    labels: Unique[Supervised]  # keys of `variants`, of model supervised


class Table1(Strict):
    datasets: Some[Dataset]  # keys of `datasets`: column groups of the table
    variants: Some[str]  # rows of the table, such as patchvae-gan+lw
    labelled: Labelled  # rows pretrained with the labels of another data set
    regimes: Some[Regime]  # columns of each group: conv1, conv1-3, conv1-5
    heads: Some[HeadName]  # keys of `heads`; the first is printed
    objectives: Objectives1  # what is pretrained on each of its data sets


class Table2(Strict):
    datasets: AtMostOne[Dataset]  # a key of `datasets`, or none
    variants: Some[str]  # rows of the table, such as patchvae+lw
    supervised: One[Control]  # a key of `variants`, trained whole for the last row
    regime: Regime  # which first stages stay frozen
    head: HeadName  # a key of `heads`
    objectives: Objectives  # what is pretrained on its data set

    @model_validator(mode="after")
    def whole_trainings_are_the_last_row_alone(self) -> Self:
        for name in self.supervised:
            if name in self.variants and self.regime == "none":
                raise ValueError(f"regime: none is the regime of {name} as table2.supervised, choose another")
        return self


class AblationBase(Strict):
    variant: Variant  # the swept key of `variants`
    regime: Regime  # which first stages stay frozen
    head: HeadName  # a key of `heads`
    datasets: Unique[Dataset]  # keys of `datasets`
    keys: Unique[SweptKey]  # keys of `ablations` that get a table and a figure


Word = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$"),
    said("a word that can be part of a file's name (64 letters at most)"),
]
SweptValue = bool | Annotated[float, AS_WRITTEN] | Word


class RowsOfTable1(Strict):
    """Further measurements of some rows and data sets of Table 1."""

    datasets: Unique[Column]  # data sets of Table 1
    variants: Unique[Row]  # rows of Table 1

    @model_validator(mode="after")
    def both_or_neither(self) -> Self:
        if bool(self.datasets) != bool(self.variants):
            raise ValueError("variants: must name rows where datasets names data sets, else none")
        return self


class Lengths(RowsOfTable1):
    regime: Regime  # which first stages stay frozen
    heads: Some[HeadName]  # keys of `heads`

    @model_validator(mode="after")
    def whole_pretrainings_are_in_table1(self, info: ValidationInfo) -> Self:
        known = _found(info.context, "table1", "heads")
        for name in self.heads if self.datasets else ():
            if isinstance(known, list) and name not in known:
                raise ValueError(f"heads: {name} must be among table1.heads, for the cells of whole pretrainings")
        return self


class Sensitivity(RowsOfTable1):
    regime: Regime  # which first stages stay frozen
    heads: Unique[HeadName]  # keys of `heads`

    @model_validator(mode="after")
    def heads_are_other_ones(self, info: ValidationInfo) -> Self:
        for name in self.heads:
            if name in (_found(info.context, "table1", "heads") or ()):
                raise ValueError(f"heads: leave out {name}, it is among table1.heads")
        return self


class ScaleFree(RowsOfTable1):
    regime: Regime  # which first stages stay frozen
    heads: Unique[HeadName]  # keys of `heads` that standardise
    tuned: Unique[TunedHead]  # keys of `heads` whose rate is chosen for each row


class FewLabels(RowsOfTable1, Draws, Whitening):
    pass


class Table7(Strict):
    variants: Some[str]  # rows of the table


class Parts(Strict):
    datasets: Unique[Scored]  # keys of `datasets`, of format digit-scenes; or none
    variants: AtMostOne[str]  # a row of model patchvae, or none
    pretrained: Unique[Dataset]  # those of `datasets` on which it is pretrained for the score alone

    @model_validator(mode="after")
    def a_variant_is_scored_on_data_sets(self) -> Self:
        if bool(self.variants) != bool(self.datasets):
            raise ValueError(
                "variants: must name a variant where parts.datasets names data sets, and none where it does not"
            )
        for name in self.pretrained if self.variants else ():
            if name not in self.datasets:
                raise ValueError(f"pretrained: {name} must be among parts.datasets")
        return self


class RealParts(Strict):
    datasets: Unique[Dataset]  # keys of `datasets`: one table and one figure each
    variant: str  # variant whose parts are measured
    reference: str  # variant in whose features crops are compared


class Figures(Strict):
    datasets: Unique[Dataset]  # keys of `datasets`: one set of figures each
    variant: str  # variant whose parts are drawn


# ---- the whole


class Parameters(Strict):
    """params.yaml with its overlays merged."""

    # What is planned
    run: RunName  # at most 64 lower-case letters, digits and hyphens; names the folder results/<run>
    seeds: Some[Seed]  # one pretraining and one fine-tuning per seed and cell
    data: Data  # the data sets that are packed
    table1: Table1  # what Table 1 holds
    table2: Table2  # what Table 2 holds
    ablation_base: AblationBase  # what every sweep starts from
    ablations: dict[SweptKey, Unique[SweptValue]]  # values of each swept key, beside the model's own
    claims: AtMostOne[Location]  # file of claims (YAML), or none
    decision: AtMostOne[Location]  # file of claims whose decision is taken, or none
    lengths: Lengths  # accuracy against the length of pretraining
    sensitivity: Sensitivity  # other settings of the classifier, one at a time
    scale_free: ScaleFree  # classifiers that the scale of phi's features does not decide on
    probe: RowsOfTable1  # ridge regression on the features of the frozen phi
    few_labels: FewLabels  # ridge regression on few labels, of these rows and of pixels
    table7: Table7  # what Table 7 holds
    parts: Parts  # what the table of part discovery holds
    real_parts: RealParts  # parts on photographs, against labels and controls
    figures: Figures  # what the figures show

    # How it is done
    select: Select  # which epoch's accuracy is reported
    datasets: Annotated[
        dict[Name, Annotated[Cifar100 | PhotoSet | DigitScenes, Field(discriminator="format")]], Field(min_length=1)
    ]  # one block per data set
    input_scaling: InputScaling  # to [-1, 1], or by ImageNet's mean and standard deviation
    precision: Precision  # of the forward pass; auto is bf16 where it was measured to be faster
    deterministic: bool  # whether a GPU gives the same bits again, as a CPU does
    init: Init  # initial weights
    masks: MaskOptions  # weight masks of L_w
    model: Model  # sizes of the networks on all data sets but Table 2's
    table2_model: Model  # sizes of the networks on Table 2's data set
    variants: Annotated[
        dict[
            Name,
            Annotated[
                BetaVAEVariant | PatchVAEVariant | BiGANVariant | SupervisedVariant | RandomVariant,
                Field(discriminator="model"),
            ],
        ],
        Field(min_length=1),
    ]  # one block per model
    pretrain: PretrainRecipe  # unsupervised training (Adam)
    table2_pretrain: PretrainRecipe  # the same on Table 2's data set
    gan: Gan  # adversarial term of the -GAN variants
    finetune: FinetuneRecipe  # training of the classifier (SGD)
    heads: Annotated[
        dict[Name, HeadSettings], Field(min_length=1)
    ]  # settings of the classifier by name, laid over finetune
    rates: RateSearch  # how a head's rate is chosen
    ridge: Ridge  # of the linear probe
    part_measures: PartMeasures  # of real_parts
    reconstruction: Sampling  # of Table 7
    inception: Inception  # the weights that FID is computed with
    drawing: Shown  # of the figures of images and parts
