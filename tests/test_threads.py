"""How torch's threads wait for each other is settled before torch is loaded, which reads it once."""

import os
import subprocess
import sys

import pytest

NEED = "GOMP_SPINCOUNT is a word of libgomp, which torch's builds for Linux bring"


@pytest.mark.skipif(sys.platform != "linux", reason=NEED)
@pytest.mark.parametrize("first", ["import app; app.torch_sees_a_gpu()", "import engine.engine"])
def test_whatever_loads_torch_first_the_threads_do_not_spin_for_long(first):
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run([sys.executable, "-c", first], env=environment | {"OMP_DISPLAY_ENV": "verbose"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "GOMP_SPINCOUNT = '1000'" in done.stderr
