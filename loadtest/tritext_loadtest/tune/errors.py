"""What keeps a search from running."""

from tritext_loadtest.errors import LoadTestError


class TuneError(LoadTestError):
    """There is nothing to tune, or nothing to tune it by."""
