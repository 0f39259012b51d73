"""The closed model of params.yaml with its overlays. Checks of single blocks stand beside the keys.

The comment beside a key is its description in the JSON schema that editors read (see `schema`).
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from patchvae.params import model_kinds, types
from patchvae.params.classifying import FinetuneRecipe, HeadSettings, RateSearch
from patchvae.params.measuring import Draws, Inception, PartMeasures, Ridge, Sampling, Shown, Whitening
from patchvae.params.preparing import FileName, MaskOptions, PatchSize, PhotoFormat, Photos, Scenes, Source
from patchvae.params.reading import did_you_mean

T = TypeVar("T")
AtMostOne = Annotated[list[T], Field(max_length=1)]
One = Annotated[list[T], Field(min_length=1, max_length=1)]
Blocks = Annotated[dict[types.Name, T], Field(min_length=1)]


# ---- names of what other keys hold


def _found(params: Any, *path: str) -> Any:
    """The value at a path of unchecked parameters; None where there is none."""
    for part in path:
        params = params.get(part) if isinstance(params, dict) else None
    return params


def _refusal(problem: str) -> PydanticCustomError:
    return PydanticCustomError("name", "{problem}", {"problem": problem})


def key_of(
    block: str, kind: str, key: str = "", accepts: Callable[[Any], bool] = lambda value: True, otherwise: str = ""
) -> AfterValidator:
    """A key of a block of the same parameters.

    kind: of what the block holds, for the message; accepts: whether the value of `key` in what is named will do, where
    None is no value or one that another message is about; otherwise: the message if not, with {name} and {value}.
    """

    def check(name: str, info: ValidationInfo) -> str:
        known = _found(info.context, block)
        if isinstance(known, dict) and name not in known:
            hint = did_you_mean(name, list(known))
            raise _refusal(f"unknown {kind} {name!r}, known are {', '.join(known)}{hint}")
        value = _found(known, name, key)
        if not accepts(value):
            raise _refusal(otherwise.format(name=name, value=value))
        return name

    return AfterValidator(check)


def of_model(*models: str) -> AfterValidator:
    """A variant of one of the kinds of model that a list is for."""
    otherwise = f"{{name}} is of model {{value}}, this list is for {' and '.join(models)}"
    return key_of("variants", "variant", "model", lambda model: model in (None, *models), otherwise)


def scenes(otherwise: str) -> AfterValidator:
    """A data set of digit scenes."""
    return key_of("datasets", "data set", "format", lambda format: format in (None, "digit-scenes"), otherwise)


DRAWN = "{name} is of format {value}, see data.scenes"
PHOTOGRAPHED = "{name} is of format {value}, see data.archives"
Dataset = Annotated[str, key_of("datasets", "data set")]
Archive = Annotated[str, key_of("datasets", "data set", "format", lambda format: format != "digit-scenes", DRAWN)]
SceneSet = Annotated[str, scenes(PHOTOGRAPHED)]
Scored = Annotated[str, scenes("{name} has no true occurrence maps, only digit scenes have")]
Variant = Annotated[str, key_of("variants", "variant")]
VAE = Annotated[str, of_model("beta-vae", "patchvae")]
BiGAN = Annotated[str, of_model("bigan")]
Supervised = Annotated[str, of_model("supervised")]
Control = Annotated[str, of_model("random")]
CHOSEN = "{name} has no rate of its own (lr: chosen), which only scale_free.tuned allows"
HeadName = Annotated[str, key_of("heads", "head", "lr", lambda lr: lr != "chosen", CHOSEN)]
GIVEN = "{name} has a rate of its own: put it into scale_free.heads, or set heads.{name}.lr to chosen"
TunedHead = Annotated[str, key_of("heads", "head", "lr", lambda lr: lr == "chosen", GIVEN)]


# ---- what is packed


class Shared(types.Strict):
    datasets: types.Unique[Dataset]  # keys of `datasets` that have no sources
    sources: Dataset  # the one of `archives` whose sources they are packed from


class Data(types.Strict):
    archives: types.Unique[Archive]  # keys of `datasets` that have sources
    shared: Shared  # data sets that are packed from the sources of another one
    scenes: types.Unique[SceneSet]  # keys of `datasets` of format digit-scenes
    weighted: types.Unique[Dataset]  # keys of `datasets` that get weight masks


class Common(types.Strict):
    """The settings of data sets of every format."""

    image_size: int  # side of the images in pixels
    flip: bool  # horizontal flips in training
    stand_in: bool  # true for images that only stand in for the data set: tables say so
    pretrain_epochs: types.Epochs  # epochs of pretraining
    finetune_epochs: types.Epochs = types.ABSENT  # epochs of the classifier's training
    mask_patch_size: PatchSize = types.ABSENT  # side of the masks' patches in pixels; divides image_size


Sources = Annotated[dict[FileName, Source | None], Field(min_length=1)]


class Cifar100(Photos, Common):
    format: Literal["cifar100"]  # how the data set is stored
    image_size: Annotated[int, Field(ge=32, le=32), types.said("32")]  # side of the images in pixels
    sources: Sources  # files that the data set comes from, by name; null for one that is not needed


class PhotoSet(Photos, Common):
    format: PhotoFormat  # how the data set is stored
    sources: Sources = types.ABSENT  # files that the data set comes from, by name; none in data.shared


class DigitScenes(Scenes, Common):
    pass


DatasetBlock = Annotated[Cifar100 | PhotoSet | DigitScenes, Field(discriminator="format")]

# ---- what is trained


class Sizes(types.Strict):
    """Sizes of one variant."""

    latent_dim: types.Width = types.ABSENT  # length of the latent code of beta-VAE and BiGAN
    num_parts: model_kinds.NumParts = types.ABSENT  # number of parts N
    part_dim: types.Width = types.ABSENT  # length d_p of a part's appearance code


# Kind of model: those of these sizes that its network has
SIZES = {name: {*Sizes.model_fields} & {*kind.network.model_fields} for name, kind in model_kinds.KINDS.items()}


class Model(types.Strict):
    """Sizes of the networks: phi's, and by variant."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Sizes] = Field(init=False)

    backbone: types.Backbone  # phi: ResNet-18 cut after its second stage, or whole
    head_pool: types.HeadPool  # how the grid of features enters the classifier's head


class BetaVAEVariant(model_kinds.BetaVAETerms):
    model: Literal["beta-vae"]  # kind of model


class PatchVAEVariant(model_kinds.PatchVAETerms):
    model: Literal["patchvae"]  # kind of model


class BiGANVariant(types.Strict):
    model: Literal["bigan"]  # kind of model
    lr: types.LearningRate  # learning rate of all its networks
    adam_betas: types.AdamBetas  # decay rates of Adam's moments
    gradient_penalty: types.Weight  # weight of the squared gradient of its discriminator's logit


class SupervisedVariant(types.Strict):
    model: Literal["supervised"]  # kind of model
    labels: model_kinds.Labels  # the data set's labels or the same dealt out at random
    epochs: Literal["dataset"] | types.Epochs  # dataset (its pretrain_epochs) or a whole number from 1 to 100000


class RandomVariant(model_kinds.BatchNormStatistics):
    model: Literal["random"]  # kind of model


VariantBlock = Annotated[
    BetaVAEVariant | PatchVAEVariant | BiGANVariant | SupervisedVariant | RandomVariant, Field(discriminator="model")
]

# ---- what is reported


class Labelled(types.Strict):
    variants: types.Unique[Supervised]  # keys of `variants`, of model supervised
    dataset: Dataset  # the key of `datasets` whose labels they see


class Objectives(types.Strict):
    plain: types.Unique[VAE]  # keys of `variants`
    lw: types.Unique[VAE]  # keys of `variants`: trained with L_w
    none: types.Unique[Control]  # keys of `variants`, of model random


class Objectives1(Objectives):
    gan: types.Unique[VAE]  # keys of `variants`: with the adversarial term
    gan_lw: types.Unique[VAE] = Field(alias="gan+lw")  # keys of `variants`: with both
    bigan: types.Unique[BiGAN]  # keys of `variants`, of model bigan
    labels: types.Unique[Supervised]  # keys of `variants`, of model supervised


class Table1(types.Strict):
    datasets: types.Some[Dataset]  # keys of `datasets`: column groups of the table
    variants: types.Some[str]  # rows of the table, such as patchvae-gan+lw
    labelled: Labelled  # rows pretrained with the labels of another data set
    regimes: types.Some[types.Regime]  # columns of each group: conv1, conv1-3, conv1-5
    heads: types.Some[HeadName]  # keys of `heads`; the first is printed
    objectives: Objectives1  # what is pretrained on each of its data sets


class Table2(types.Strict):
    datasets: AtMostOne[Dataset]  # a key of `datasets`, or none
    variants: types.Some[str]  # rows of the table, such as patchvae+lw
    supervised: One[Control]  # a key of `variants`, trained whole for the last row
    regime: types.Regime  # which first stages stay frozen
    head: HeadName  # a key of `heads`
    objectives: Objectives  # what is pretrained on its data set


class AblationBase(types.Strict):
    variant: Variant  # the swept key of `variants`
    regime: types.Regime  # which first stages stay frozen
    head: HeadName  # a key of `heads`
    datasets: types.Unique[Dataset]  # keys of `datasets`
    keys: types.Unique[types.SweptKey]  # keys of `ablations` that get a table and a figure


Word = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}$"),
    types.said("a word that can be part of a file's name (64 letters at most)"),
]
SweptValue = bool | Annotated[float, types.AS_WRITTEN] | Word


class RowsOfTable1(types.Strict):
    """Further measurements of some rows and data sets of Table 1."""

    datasets: types.Unique[str]  # data sets of Table 1
    variants: types.Unique[str]  # rows of Table 1


class Lengths(RowsOfTable1):
    regime: types.Regime  # which first stages stay frozen
    heads: types.Some[HeadName]  # keys of `heads`


class Sensitivity(RowsOfTable1):
    regime: types.Regime  # which first stages stay frozen
    heads: types.Unique[HeadName]  # keys of `heads`


class ScaleFree(RowsOfTable1):
    regime: types.Regime  # which first stages stay frozen
    heads: types.Unique[HeadName]  # keys of `heads` that standardise
    tuned: types.Unique[TunedHead]  # keys of `heads` whose rate is chosen for each row


class FewLabels(RowsOfTable1, Draws, Whitening):
    pass


class Table7(types.Strict):
    variants: types.Some[str]  # rows of the table


class Parts(types.Strict):
    datasets: types.Unique[Scored]  # keys of `datasets`, of format digit-scenes; or none
    variants: AtMostOne[str]  # a row of model patchvae, or none
    pretrained: types.Unique[Dataset]  # those of `datasets` on which it is pretrained for the score alone


class RealParts(types.Strict):
    datasets: types.Unique[Dataset]  # keys of `datasets`: one table and one figure each
    variant: str  # variant whose parts are measured
    reference: str  # variant in whose features crops are compared


class Figures(types.Strict):
    datasets: types.Unique[Dataset]  # keys of `datasets`: one set of figures each
    variant: str  # variant whose parts are drawn


# ---- the whole


class Parameters(types.Strict):
    """params.yaml with its overlays merged."""

    # What is planned
    run: types.RunName  # at most 64 lower-case letters, digits and hyphens; names the folder results/<run>
    seeds: types.Some[types.Seed]  # one pretraining and one fine-tuning per seed and cell
    data: Data  # the data sets that are packed
    table1: Table1  # what Table 1 holds
    table2: Table2  # what Table 2 holds
    ablation_base: AblationBase  # what every sweep starts from
    ablations: dict[types.SweptKey, types.Unique[SweptValue]]  # values of each swept key, beside the model's own
    claims: AtMostOne[types.Location]  # file of claims (YAML), or none
    decision: AtMostOne[types.Location]  # file of claims whose decision is taken, or none
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
    select: types.Select  # which epoch's accuracy is reported
    datasets: Blocks[DatasetBlock]  # one block per data set
    input_scaling: types.InputScaling  # to [-1, 1], or by ImageNet's mean and standard deviation
    precision: types.Precision  # of the forward pass; auto is bf16 where it was measured to be faster
    deterministic: bool  # whether a GPU gives the same bits again, as a CPU does
    init: types.Init  # initial weights
    masks: MaskOptions  # weight masks of L_w
    model: Model  # sizes of the networks on all data sets but Table 2's
    table2_model: Model  # sizes of the networks on Table 2's data set
    variants: Blocks[VariantBlock]  # one block per model
    pretrain: model_kinds.PretrainRecipe  # unsupervised training (Adam)
    table2_pretrain: model_kinds.PretrainRecipe  # the same on Table 2's data set
    gan: model_kinds.Gan  # adversarial term of the -GAN variants
    finetune: FinetuneRecipe  # training of the classifier (SGD)
    heads: Blocks[HeadSettings]  # settings of the classifier by name, laid over finetune
    rates: RateSearch  # how a head's rate is chosen
    ridge: Ridge  # of the linear probe
    part_measures: PartMeasures  # of real_parts
    reconstruction: Sampling  # of Table 7
    inception: Inception  # the weights that FID is computed with
    drawing: Shown  # of the figures of images and parts
