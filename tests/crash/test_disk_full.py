"""A disk that is full: at the Nth write of everything that is kept, and for real, on a small tmpfs under the running server."""

import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.program import Program, lessons, strays, unreadable
from tests.crash.small import lesson, script
from tests.crash.stage import FULL, SHORT

NEED = re.compile(r"(\d+) bytes are free and (\d+) bytes are needed")
CASES = [(act, kind, at) for act in ("lesson", "save", "lesson-2", "state", "set", "chat", "load", "correct") for kind in (FULL, SHORT) for at in (1, 2)]
CASES += [("save", FULL, at) for at in range(3, 9)] + [(act, kind, 1) for act in ("rollback", "undo", "rename", "export", "delete", "rename-session") for kind in (FULL, SHORT)]


@pytest.fixture(scope="module")
def begin(folder, stages, tmp_path_factory):
    data = tmp_path_factory.mktemp("full") / "begin"
    assert stages[0].play("prepare", data, script=str(script(folder)))["code"] == 0
    return data


def test_a_disk_that_is_full_from_the_nth_write_on_and_has_room_again_later(begin, folder, stages, tmp_path):
    """The sentence has both figures, weights and chat go on, the same act is done when there is room, and a start finds everything."""
    assert len(CASES) >= 20

    def play(stage, case):
        act, kind, at = case
        data = tmp_path / "-".join(map(str, case))
        shutil.copytree(begin, data)
        run = stage.play("full", data, script=str(script(folder)), act=act, kind=kind, at=at)
        shutil.rmtree(data)
        if run["code"] != 0 or len(run["told"]) != 2:
            return f"{case}: {run}"
        during, last = run["told"]
        if not (during["told"] and during["chat"] and during["before"] == during["after"] and during["bits"] == during["before"]["digest"]):
            return f"{case}: {during}"
        if last["damaged"] or last["strays"] or last["keys"] != ["0", "a", "b", "c"] or not {"first", "one"} <= set(last["checkpoints"]):
            return f"{case}: {last}"
        return None

    with ThreadPoolExecutor(len(stages)) as pool:
        lanes = [pool.submit(lambda i=i: [p for case in CASES[i :: len(stages)] if (p := play(stages[i], case))]) for i in range(len(stages))]
        problems = [problem for lane in lanes for problem in lane.result()]
    assert not problems, "\n".join(problems)


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of 24 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_real_disk_that_is_full(small_disk, folder):
    data = small_disk / "data"

    def refused(response, what):
        assert response.status_code == 507, response.text
        sentence = response.json()["error"]["message"]
        free, needed = map(int, NEED.search(sentence).groups())
        assert what in sentence and free < needed, sentence

    with Program(script(folder), data) as program:
        assert program.post("/train", messages=lesson("It is Ada."))["learned"]
        program.post("/save", name="kept")
        program.listed("/lessons?limit=1")
        before = program.get("/weights")
        ballast = small_disk / "ballast"
        with open(ballast, "wb", buffering=0) as file:
            try:
                while file.write(b"x" * 4096):
                    pass
            except OSError:
                pass
        taught, number = 0, 0
        while (answer := program.ask("/train", messages=lesson(f"It is {'B' * 200} {number}."), epochs=1)).ok:  # the last page has room
            number, taught = number + 1, taught + answer.json()["learned"]
        refused(answer, "the journal cannot be written")
        refused(program.ask("/save", name="kept-2"), "the checkpoint kept-2 cannot be written")
        for _ in range(3):
            assert program.post("/infer", messages=[{"role": "user", "text": "Who?"}], max_tokens=3)["versions"] == [1 + taught] * 2
        weights = program.get("/weights")
        assert weights["version"] == 1 + taught and (taught or weights == before)
        os.unlink(ballast)
        assert program.post("/train", messages=lesson("It is Eve."))["version"] == 2 + taught
        program.post("/save", name="kept-2")
        last = program.get("/weights")
    with Program(script(folder), data) as again:
        assert again.get("/weights")["digest"] == last["digest"] and len(lessons(data)) == 2 + taught
        assert {"kept", "kept-2"} == {c["name"] for c in again.get("/save")["checkpoints"]}
        again.listed("/lessons?limit=1")
        assert not strays(data) and not unreadable(data)
