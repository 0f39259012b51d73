# For type checkers, which do not see through `__getattr__`
from patchvae.features import load as load

__version__: str
