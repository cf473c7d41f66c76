"""A thousand operations from sixteen threads at once, and then whether what they were told is one history."""

import os
import random
import secrets
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.crash.program import Program, lessons, records
from tests.crash.small import lesson, script

THREADS = 16
REFUSED = {400, 404, 409}
"""What may be told to somebody whose session or turn another one was using or had just changed."""

BACK = ("load", "rollback", "undo")


class Crowd:
    """Sixteen people at one server; everything that they were told, with the moments at which they asked and heard it."""

    def __init__(self, program: Program, count: int, seed: int):
        self.program = program
        self.left = iter(range(count))
        self.guard = threading.Lock()
        self.chance = [random.Random(seed + number) for number in range(THREADS)]
        self.learned: list[tuple[float, float, dict, str]] = []
        self.answers: list[tuple[float, float, list[int]]] = []
        self.done = Counter()
        self.wrong: list[str] = []

    def one(self, number: int) -> None:
        chance = self.chance[number]
        acts = [self.chat] * 6 + [self.teach] * 4 + [self.correct] * 3 + [self.edit] * 2 + [self.save, self.again, self.load, self.rollback, self.undo]
        while True:
            with self.guard:
                turn = next(self.left, None)
            if turn is None:
                return
            act = chance.choice(acts)
            try:
                act(chance, turn)
                self.done[act.__name__] += 1
            except Exception as error:
                self.wrong.append(f"{act.__name__} {turn}: {error!r}")

    def _ask(self, path: str, **body) -> tuple[float, float, dict | None]:
        """When it was asked, when answered, and the answer; None for a refusal that was to be expected."""
        while True:
            asked = time.monotonic()
            response = self.program.ask(path, **body)
            heard = time.monotonic()
            if response.status_code == 503:
                threading.Event().wait(0.05)
                continue
            if response.status_code in REFUSED:
                self.done[f"refused {response.status_code}"] += 1
                return asked, heard, None
            assert response.ok, response.text
            return asked, heard, response.json()

    def _session(self, chance, turn) -> str:
        return f"s{chance.randrange(24)}"

    def chat(self, chance, turn) -> None:
        asked, heard, answer = self._ask("/infer", messages=[{"role": "user", "text": f"Who is {turn}?"}], max_tokens=4,
                                         **chance.choice(({}, {"session": self._session(chance, turn)})))
        if answer:
            self.answers.append((asked, heard, answer["versions"]))

    def edit(self, chance, turn) -> None:
        name = self._session(chance, turn)
        asked, heard, answer = self._ask(f"/sessions/{name}/regenerate", turn=1, max_tokens=4) if turn % 2 else self._ask(
            f"/sessions/{name}/branch", turn=1, **{"as": f"b{turn}"})
        if answer and "versions" in answer:
            self.answers.append((asked, heard, answer["versions"]))

    def _learn(self, path, key, **body) -> None:
        asked, heard, answer = self._ask(path, idempotency_key=key, epochs=1, **body)
        if answer:
            assert answer["learned"], answer
            self.learned.append((asked, heard, answer, key))

    def teach(self, chance, turn) -> None:
        self._learn("/train", f"k{turn}", messages=lesson(f"It is {turn}."))

    def correct(self, chance, turn) -> None:
        self._learn(f"/sessions/{self._session(chance, turn)}/correct", f"c{turn}", turn=1, text=f"Number {turn}.")

    def again(self, chance, turn) -> None:
        """The same lesson from two connections at once, as of somebody who lost patience."""
        with ThreadPoolExecutor(2) as pool:
            told = [pool.submit(self._ask, "/train", messages=lesson(f"Twice {turn}."), idempotency_key=f"t{turn}", epochs=1) for _ in range(2)]
        (asked, _, first), (_, heard, second) = (each.result() for each in told)
        assert first["lesson"] == second["lesson"] and first["version"] == second["version"]
        self.learned.append((asked, heard, first, f"t{turn}"))

    def save(self, chance, turn) -> None:
        self._ask("/save", name=f"n{chance.randrange(3)}")

    def load(self, chance, turn) -> None:
        self._ask("/load", name=f"n{chance.randrange(3)}")

    def rollback(self, chance, turn) -> None:
        self._ask("/rollback", version=chance.randrange(20))

    def undo(self, chance, turn) -> None:
        """One of the lessons that were just learned: those after it are few, and are learned again."""
        if self.learned:
            self._ask(f"/lessons/{self.learned[-1][2]['lesson']}/undo")


def check(crowd: Crowd, data) -> None:
    """The journal is the history; what people were told must be in it, once."""
    written = lessons(data)
    keys = Counter(record["key"] for record in written)
    assert max(keys.values()) == 1, "a lesson was learned twice"
    told = {key: answer for _, _, answer, key in crowd.learned}
    assert told.keys() == keys.keys(), f"lost {told.keys() - keys.keys()}, never told {keys.keys() - told.keys()}"
    version, highest, has_been = 0, 0, {0}
    for record in records(data):
        if record["kind"] == "lesson":
            assert record["version"] == highest + 1, "versions grow by one with each lesson, and none is used twice"
            assert (told[record["key"]]["version"], told[record["key"]]["lesson"]) == (record["version"], record["id"])
            version = highest = record["version"]
        elif record["kind"] in BACK:
            version, highest = record["version"], max(highest, record["version"])
        has_been.add(version)
    assert crowd.program.get("/weights")["version"] == version
    for _, _, (first, last) in crowd.answers:
        assert first in has_been and last in has_been
    if any(record["kind"] in BACK for record in records(data)):
        return
    for asked, heard, (first, last) in crowd.answers:  # nothing went back: versions that are told come in order
        least = max((a["version"] for _, then, a, _ in crowd.learned if then < asked), default=0)
        most = sum(then < heard for then, _, _, _ in crowd.learned)
        assert least <= first <= last <= most, f"an answer names versions {first} to {last}, then there were {least} to {most}"


@pytest.mark.parametrize("loads", [False, True])
@pytest.mark.parametrize("count", [150, pytest.param(1000, marks=pytest.mark.long)])
def test_what_sixteen_people_were_told_is_one_history(folder, tmp_path, count, loads):
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(10**6))
    data = tmp_path / "data"
    with Program(script(folder), data) as program:
        crowd = Crowd(program, count, seed)
        if not loads:
            crowd.load = crowd.rollback = crowd.undo = crowd.chat
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(crowd.one, range(THREADS)))
        print(f"seed={seed} {dict(crowd.done)}")
        assert not crowd.wrong, f"seed={seed}: {crowd.wrong[:5]}"
        check(crowd, data)
        assert sum(count for act, count in crowd.done.items() if not act.startswith("refused")) == count
        last = program.get("/weights")
    with Program(script(folder), data) as again:
        weights = again.get("/weights")
        assert (weights["version"], weights["digest"]) == (last["version"], last["digest"]), f"seed={seed}"
