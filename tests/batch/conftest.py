"""What the tests of batch jobs share: a stand-in for the server."""

from collections.abc import Iterator

import pytest

from tests.batch.stand_in import stand_in


@pytest.fixture(scope="session")
def stand_in_url() -> Iterator[str]:
    """One that answers at once."""
    with stand_in() as url:
        yield url
