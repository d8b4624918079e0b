"""The one error of reading checkpoints: a file or its content cannot be used, and nothing was changed."""


class CheckpointError(ValueError):
    """Says which file cannot be used and why; where names or shapes differ, it lists both sides."""
