"""What all of these tests share: one small model."""

import pytest

from tests.crash import small
from tests.crash.stage import Stage, build


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with the small model."""
    folder = tmp_path_factory.mktemp("small")
    small.make(folder)
    return folder


@pytest.fixture(scope="session")
def library(tmp_path_factory):
    """The library of faults."""
    return build(tmp_path_factory.mktemp("faults"))


@pytest.fixture(scope="session")
def stages(tmp_path_factory, folder, library):
    """Two stages, for two cores."""
    logs = tmp_path_factory.mktemp("stages")
    stages = [Stage(library, small.script(folder), logs / f"{number}.log") for number in range(2)]
    yield stages
    for stage in stages:
        stage.close()
