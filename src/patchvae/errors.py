"""The one exception that users are meant to see."""


class PatchVAEError(Exception):
    """A mistake that the user can fix; its text is one sentence that names the file or key."""


class NotFinite(PatchVAEError):
    """The outputs of a network are NaN or infinite; the job puts the file of its weights before the text."""
