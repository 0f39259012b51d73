"""Types that parameters and jobs' configurations share; a type of a single job stands beside its settings."""

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WrapValidator, model_validator
from pydantic_core import PydanticCustomError

T = TypeVar("T")


class Strict(BaseModel):
    """A closed model: values are not converted, and every key must be there and known."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False, defer_build=True)

    @model_validator(mode="before")
    @classmethod
    def knows_every_key(cls, data: Any) -> Any:
        """Comes first: a misspelt key is also a missing one, and the message should name the misspelt one."""
        known = [field.alias or name for name, field in cls.model_fields.items()]
        if isinstance(data, dict) and cls.model_config["extra"] == "forbid":
            for key in data:
                if key not in known:
                    raise PydanticCustomError("unknown_key", "unknown key {key}", {"key": key, "known": known})
        return data

    @property
    def given(self) -> dict[str, Any]:
        """What it was made from, every number as it was written."""
        return self.model_dump(by_alias=True, exclude_unset=True, warnings=False)


# Default of a key that may be left out; null is refused
ABSENT: Any = None


def said(words: str) -> WrapValidator:
    """The words of an error message for what is wanted, in place of pydantic's."""

    def check(value: Any, validate: Callable[[Any], Any]) -> Any:
        try:
            return validate(value)
        except ValidationError as error:
            raise PydanticCustomError("wanted", words) from error

    return WrapValidator(check)


def as_written(value: Any, validate: Callable[[Any], Any]) -> Any:
    """Check a value but keep its form: 1.0 in place of 1 would be another configuration."""
    validate(value)
    return value


def once(values: list[T]) -> list[T]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("wanted", "a list that holds nothing twice")
    return values


AS_WRITTEN = WrapValidator(as_written)
Unique = Annotated[list[T], Field(json_schema_extra={"uniqueItems": True}), AfterValidator(once)]
Some = Annotated[list[T], Field(min_length=1, json_schema_extra={"uniqueItems": True}), AfterValidator(once)]

Name = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_+-]{0,63}$"),
    said("a name of at most 64 letters, digits and _ + -"),
]
RowName = Annotated[  # of a table: with a swept key or an epoch
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+=-]{0,199}$"),
    said("a row's name of at most 200 letters, digits and _ . + = -"),
]
RunName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$"),
    said("a name of at most 64 lower-case letters, digits and hyphens"),
]
SweptKey = Annotated[
    str,
    Field(max_length=64, pattern=r"^[A-Za-z0-9_]+([.][A-Za-z0-9_]+)*$"),
    said("a key of a variant or of its sizes, or a dotted path (64 letters at most)"),
]
Location = Annotated[
    str,
    Field(min_length=1, max_length=4096, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$"),
    said("a URL or path without control characters"),
]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Regime = Literal["none", "conv1", "conv1-3", "conv1-5"]
Select = Literal["last", "best"]
InputScaling = Literal["symmetric", "imagenet"]
Precision = Literal["auto", "fp32", "bf16"]
Backbone = Literal["resnet9", "resnet18"]
HeadPool = Literal["flatten", "average"]
Init = Literal["kaiming", "torch"]
ImageSize = Annotated[int, Field(ge=16, le=1024, multiple_of=8)]
Classes = Annotated[int, Field(ge=2, le=100_000)]
Epochs = Annotated[int, Field(ge=1, le=100_000)]
Width = Annotated[int, Field(ge=1, le=65_536)]
BatchSize = Annotated[int, Field(ge=2, le=65_536)]
EpochImages = Literal["dataset"] | Annotated[int, Field(ge=1, le=1_000_000_000)]
LearningRate = Annotated[float, Field(ge=1e-9, le=10), AS_WRITTEN]
Share = Annotated[float, Field(ge=0, lt=1), AS_WRITTEN]
AdamBetas = Annotated[list[Share], Field(min_length=2, max_length=2)]
Weight = Annotated[float, Field(ge=0, le=1_000_000), AS_WRITTEN]
Heat = Annotated[float, Field(ge=0.001, le=1000), AS_WRITTEN]  # temperature of a relaxed Bernoulli
FigureRows = Annotated[int, Field(ge=1, le=64)]
