"""Reads the overlays of `snakemake --configfile` and ends in one sentence if one is broken.

The default profile runs this before Snakemake reads them itself, which for some ends in a traceback, and whose words do
not name the file.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))


def refuse_broken(arguments: list[str]) -> None:
    """End the process with one sentence for the first overlay that is missing or broken."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--configfile", "--configfiles", nargs="+", default=[])
    overlays = parser.parse_known_args(arguments)[0].configfile
    if not overlays:
        return
    from snakemake.common.configfile import load_configfile

    from patchvae.config import read_yaml
    from patchvae.errors import PatchVAEError

    for path in overlays:
        try:
            read_yaml(path)
        except PatchVAEError as error:
            sys.exit(str(error))
        try:
            load_configfile(Path(path))
        except Exception as error:  # it reads YAML 1.1, and raises whatever happens
            sys.exit(f"{path}: Snakemake cannot read it: {' '.join(str(error).split())}")


refuse_broken(sys.argv[1:])
