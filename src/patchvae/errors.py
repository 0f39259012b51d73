"""The one exception that users are meant to see."""


class PatchVAEError(Exception):
    """A mistake that the user can fix; its text is one sentence that names the file or key."""
