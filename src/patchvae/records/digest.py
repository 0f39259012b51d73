"""What is in an archive of arrays, told without reading them."""

import hashlib
import zipfile
from pathlib import Path

from patchvae.errors import PatchVAEError


def content_digest(path: Path | str) -> str:
    """16 hex digits for the content of a checkpoint or .npz: SHA-256 of its members' names, sizes and CRC-32.

    They are listed at its end, so a large file is as quick as a small one. The folder in which PyTorch puts all members
    does not count: older checkpoints name it after the process that wrote them. It is of what was written; whether that
    is what lies there now, only reading it tells.
    Raises PatchVAEError naming a file that is missing, truncated or no such archive.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [(member.filename, member.file_size, member.CRC) for member in archive.infolist()]
    except FileNotFoundError as error:
        raise PatchVAEError(f"{path} does not exist") from error
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise PatchVAEError(f"{path} cannot be read: it is truncated or no zip archive") from error
    folder = next((name.removesuffix("data.pkl") for name, _, _ in members if name.endswith("/data.pkl")), "")
    lines = [f"{name.removeprefix(folder)} {size} {crc:08x}\n" for name, size, crc in members]
    return hashlib.sha256("".join(lines).encode()).hexdigest()[:16]
