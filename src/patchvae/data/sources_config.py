"""Where the files of a data set come from."""

from typing import Annotated

from pydantic import Field

from patchvae.types import Location, Name, Strict, said

FileName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}$"),
    said("a plain file name of at most 128 letters"),
]
Checksum = Annotated[
    str,
    Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64}|unverified)$"),
    said("md5:HEX or sha256:HEX, as `patchvae checksum` prints it, or unverified"),
]


class Source(Strict):
    location: Location  # URL, local file, or an already extracted folder
    checksum: Checksum  # md5:HEX or sha256:HEX, as `patchvae checksum` prints it, or unverified


class Download(Strict):
    dataset: Name
    sources: Annotated[dict[FileName, Source], Field(min_length=1)]
