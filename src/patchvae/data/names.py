"""What a file's name says: that it may be a photograph, that it is none, or that it holds photographs inside.

A file with an unknown ending is not left out: it is decoded, and stops the preparation if it is no photograph.
"""

from pathlib import Path

from patchvae.data.archives import file_names
from patchvae.errors import PatchVAEError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Left behind by desktops, cameras, version control and other tools
LITTER = _words(
    ".directory .ds_store .gitattributes .gitignore .gitkeep .keep .localized .nomedia .picasa.ini cachedir.tag"
    " desktop.ini ehthumbs.db ehthumbs_vista.db picasa.ini thumbs.db _success"
)
LITTER_FOLDERS = _words(
    "$recycle.bin .cache .fseventsd .git .hg .ipynb_checkpoints .spotlight-v100 .svn .trash .trashes @eadir __macosx"
    " __pycache__"
)
APPLE_DOUBLE = "._"  # prefix of macOS's files of metadata on other file systems
TEXTS = _words("authors changelog copying license makefile notice readme")  # without an ending
NO_PHOTOS = _words(
    "bat bib cfg csv doc docx html htm ini ipynb json jsonl log m mat md md5 pdf py pyc rst rtf sh sha1 sha256 sha512"
    " tex toml tsv txt xls xlsx xml yaml yml"
)
ARCHIVES = _words("7z bz2 gz lz4 rar tar tbz tbz2 tgz txz xz z zip zst")
UNREADABLE = _words(
    "3fr arw avif cr2 cr3 dng eps heic heics heif heifs hif icns ico jp2 jpx jxl jxr nef orf pcx pef psd raf raw rw2"
    " svg svgz tga xcf"
)


def no_photo(name: str) -> str | None:
    """The kind of a file that is no photograph, such as `*.txt` or `Thumbs.db`; None where it may be one."""
    *folders, base = name.split("/")
    for folder in folders:
        if folder.lower() in LITTER_FOLDERS:
            return f"{folder}/"
    if base.startswith(APPLE_DOUBLE):
        return f"{APPLE_DOUBLE}*"
    _, dot, ending = base.lower().rpartition(".")
    if base.lower() in LITTER or (not dot and ending in TEXTS):
        return base
    return f"*.{ending}" if dot and ending in NO_PHOTOS else None


def photo_names(archive: Path, nested: bool = False) -> list[str]:
    """Names of all files of an archive or folder that may be photographs, in their order there.

    Arguments and errors as in `archives.file_names`. Also raises PatchVAEError for a hidden file, an archive within the
    archive and an image of a kind that is not read: leaving them out could lose photographs.
    """
    names = [name for name in file_names(archive, nested) if no_photo(name) is None]
    for name in names:
        ending = name.rpartition("/")[2].lower().rpartition(".")[2]
        if ending in ARCHIVES:
            raise PatchVAEError(f"{archive}: {name} is an archive within it, which is not opened: unpack it first")
        if ending in UNREADABLE:
            raise PatchVAEError(f"{archive}: {name} is a {ending.upper()} file: convert it to JPEG or PNG")
        if any(part.startswith(".") for part in name.split("/")):
            raise PatchVAEError(f"{archive}: {name} is hidden: remove it, or give it a name without the leading dot")
    return names
