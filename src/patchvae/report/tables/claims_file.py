"""The file of claims: pairs of rows, the pool that estimates their scatter, and the rule of the decision."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from patchvae.params.messages import checked
from patchvae.params.reading import read_yaml
from patchvae.params.types import ABSENT, AS_WRITTEN, Name, Regime, RowName, Seed, Some, Strict

ClaimName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Claim(Strict):
    """One row is better than another in a column of Table 1."""

    name: ClaimName
    dataset: Name
    regime: Regime
    better: RowName
    worse: RowName
    family: Name
    primary: bool = False
    added: Literal["after-results"] = ABSENT  # when results were known already


class Decision(Strict):
    """The rule for one pair of rows under several classifiers, fixed before its seeds are trained; see `decide`."""

    better: RowName
    worse: RowName
    dataset: Name
    regime: Regime
    level: Annotated[float, Field(gt=0, lt=1), AS_WRITTEN]  # of wrong decisions: 0.05 asks for intervals at 95 %
    heads: Annotated[dict[Name, dict[Name, bool | float | str]], Field(min_length=1)]  # with settings they must have
    probe: bool  # whether the linear probe is one of the classifiers
    seeds: Annotated[Some[Seed], Field(min_length=2)]

    @model_validator(mode="after")
    def rows_differ(self) -> Self:
        if self.better == self.worse:
            raise ValueError(f"worse: {self.worse} is compared with itself")
        return self


class ClaimsFile(Strict):
    """What paper/claims.yaml holds."""

    pool: Annotated[Some[RowName], Field(min_length=2)]  # rows whose trainings estimate the scatter of a column
    decision: Decision = ABSENT
    claims: Annotated[list[Claim], Field(min_length=1)]

    @model_validator(mode="after")
    def claims_differ(self) -> Self:
        seen: dict[object, str] = {}
        for number, claim in enumerate(self.claims):
            if claim.better == claim.worse:
                raise ValueError(f"claims.{number}: {claim.name}: {claim.better} is compared with itself")
            # A repeated claim would count twice in the correction.
            for same in (claim.name, (claim.dataset, claim.regime, frozenset([claim.better, claim.worse]))):
                if same in seen:
                    raise ValueError(
                        f"claims.{number}: {claim.name}: the same name or the same two rows as {seen[same]}"
                    )
                seen[same] = claim.name
        return self


def read_claims_file(path: Path | str) -> ClaimsFile:
    """Read a file of claims; raises PatchVAEError naming the file, the claim, and what is wrong in it."""
    content = read_yaml(path)
    listed = content.get("claims")
    for number, claim in enumerate(listed if isinstance(listed, list) else []):
        if isinstance(claim, dict) and "name" in claim:
            checked(Claim, claim, f"{path}: claims.{number}: {claim['name']}: ")
    return checked(ClaimsFile, content, f"{path}: ")
