"""Where the weights of FID's network come from."""

from typing import Annotated

from pydantic import Field

from patchvae.types import Location, Strict, said


class Inception(Strict):
    location: Location  # URL or local file
    checksum: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$"), said("sha256:HEX")]  # sha256:HEX
