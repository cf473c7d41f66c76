"""Fixtures of the server's tests."""

import pytest

from tests.server.running import Running


@pytest.fixture(scope="module")
def server():
    """A running server with the defaults, shared by the tests of a file."""
    with Running() as running:
        yield running


@pytest.fixture
def make_server():
    """Start servers with settings of the test's own; all are stopped at its end."""
    started = []

    def make(**settings):
        started.append(Running(**settings))
        return started[-1]

    yield make
    for running in started:
        running.__exit__()
