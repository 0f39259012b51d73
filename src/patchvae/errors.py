"""The one exception that a user is meant to see."""


class PatchVAEError(Exception):
    """A mistake that the user can mend; its text is one sentence naming the file or key."""
