"""The end at every point where the disk is changed: before each write, sync, rename, creation and removal, and half-way through it."""

import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.store import LessonStore
from tests.crash.program import records
from tests.crash.scenes import ACTS
from tests.crash.small import script
from tests.crash.stage import COUNT, KILL, TORN
from tests.models.course import course, entries

CHECKPOINTS = {"save": "one", "save-untold": "again", "rename": "kept"}
GOES = {"again": "rename", "kept": "delete"}
SAVE = {"keep": 1, "shard_mb": 0.12}
"""The small model has two shards of that size."""
KEYS = {"lesson": "a", "lesson-2": "b", "correct": "c"}


@pytest.fixture(scope="module")
def prepared(folder, stages, tmp_path_factory):
    """(The data folder that cases begin with, what a run with no fault tells, the names of its points)."""
    data = tmp_path_factory.mktemp("prepared")
    settings = str(script(folder, **SAVE))
    begin = stages[0].play("prepare", data / "begin", script=settings)
    assert begin["code"] == 0, begin
    shutil.copytree(data / "begin", data / "whole")
    whole = stages[0].play("acts", data / "whole", script=settings, names=str(data / "names"), kind=COUNT, at=0)
    assert whole["code"] == 0, whole
    return data / "begin", [begin["told"][0]["begin"], *(told["digest"] for told in whole["told"])], (data / "names").read_text().splitlines()


def spread(stages, cases, play):
    """Play all cases, on both stages at once; each that failed, told."""
    with ThreadPoolExecutor(len(stages)) as pool:
        lanes = [pool.submit(lambda i=i: [problem for case in cases[i :: len(stages)] if (problem := play(stages[i], case))]) for i in range(len(stages))]
        problems = [problem for lane in lanes for problem in lane.result()]
    assert not problems, "\n".join(problems[:10])


@pytest.mark.parametrize("step", [3, pytest.param(1, marks=pytest.mark.long)])
def test_an_end_at_any_point_loses_nothing(prepared, folder, stages, tmp_path, step):
    """By default at every third point, and at all that rename."""
    begin, digests, names = prepared
    settings, acts = str(script(folder, **SAVE)), list(ACTS)
    calls = Counter(name.split()[0] for name in names)
    assert {"write", "fsync", "rename", "mkdir"} <= calls.keys()
    assert {name.split("/")[0].split()[-1] for name in names} >= {"journal", "checkpoints", "sessions", "states", "sets"}
    assert any("latest" in name for name in names) and any("model-00002-of-00002" in name for name in names)
    points = [(at, name) for at, name in enumerate(names, 1) if at % step == 0 or name.startswith("rename")]
    cases = [(KILL, at) for at, _ in points] + [(TORN, at) for at, name in points if name.startswith(("write", "rename"))]

    def play(stage, case):
        kind, at = case
        data = tmp_path / f"{kind}-{at}"
        shutil.copytree(begin, data)
        run = stage.play("acts", data, script=settings, kind=kind, at=at)
        done = len(run["told"])
        doing = acts[done] if done < len(acts) else None
        start = stage.play("look", data, script=settings, key=KEYS.get(doing) if doing != "correct" else None)
        shutil.rmtree(data)
        where = f"{('count', 'kill', 'torn')[kind]} at {at} ({names[at - 1]}) while {doing}: "
        if run["code"] != 97 or start["code"] != 0:
            return where + f"{run} {start}"
        now, *more = start["told"]
        if now["digest"] not in digests[done : done + 2]:
            return where + "other weights than before or after"
        finished = acts[:done]
        lost = [key for act, key in KEYS.items() if act in finished and key not in now["keys"]]
        begun = [*finished, doing]
        lost += [name for act, name in CHECKPOINTS.items() if act in finished and GOES.get(name) not in begun and name not in now["checkpoints"]]
        lost += [f"not {name}" for name, act in GOES.items() if act in finished and name in now["checkpoints"]]
        lost += ["kept or again"] if doing == "rename" and len({"kept", "again"} & set(now["checkpoints"])) != 1 else []
        lost += ["talk or talks"] if "chat" in finished and len({"talk", "talks"} & set(now["sessions"])) != 1 else []
        lost += ["talks"] if "rename-session" in finished and "talks" not in now["sessions"] else []
        lost += ["the export"] if "export" in finished and now["exports"] != ["kept"] else []
        if lost or not now["latest"] or now["damaged"] or now["strays"] or "first" not in now["sessions"]:
            return where + f"lost {lost} {now}"
        if more and not (more[0]["learned"] and more[0]["keys"].count(KEYS[doing]) == 1):
            return where + f"learned twice or not at all: {more}"
        return None

    spread(stages, cases, play)


@pytest.mark.parametrize("step, found", [
    (7, "none"), (21, "another"), pytest.param(1, "none", marks=pytest.mark.long), pytest.param(1, "another", marks=pytest.mark.long)])
def test_an_end_at_any_point_of_the_lesson_store_loses_nothing(prepared, stages, tmp_path, step, found):
    """The store can be made again from the journal; what must hold is that it is, and is the same. Also where a store of another
    journal lies in its place, and in those where one is made and put aside."""
    begin, _, _ = prepared
    clean = tmp_path / "clean"
    clean.mkdir()
    shutil.copy(begin / "journal", clean)
    if found == "another":
        length = len(records(begin))
        for name in ("store", ".store.new", ".store.old"):
            LessonStore.build(clean / name, entries(course(6, length)))
    shutil.copytree(clean, whole := tmp_path / "whole")
    counted = stages[0].play("store_acts", whole, names=str(tmp_path / "names"), without=".read/", kind=COUNT, at=0)
    assert counted["code"] == 0, counted
    names = (tmp_path / "names").read_text().splitlines()
    mine = [at for at, name in enumerate(names, 1) if "/" not in name]  # of the folders themselves: their making and their renames
    points = sorted({*range(1, len(names) + 1, step), *mine})

    def play(stage, at):
        data = tmp_path / str(at)
        shutil.copytree(clean, data)
        run = stage.play("store_acts", data, without=".read/", kind=KILL, at=at)
        start = stage.play("store_look", data)
        shutil.rmtree(data)
        if run["code"] not in (97, 0) or start["code"] != 0 or not (start["told"][0]["there"] and start["told"][0]["same"]) or start["told"][0]["strays"]:
            return f"at {at} ({names[at - 1]}): {run} {start}"
        return None

    spread(stages, points, play)
