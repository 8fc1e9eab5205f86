"""What keeps a comparison, or one of its members, from running."""

from tritext_loadtest.errors import LoadTestError


class BenchError(LoadTestError):
    """The comparison as a whole cannot be made."""


class PeerError(LoadTestError):
    """One member of the comparison does not install, start or answer; the others go on without it."""
