"""kill -9 at random moments of chat, lessons and saves: whatever was acknowledged is there, and nothing else than what was asked."""

import os
import random
import secrets
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.crash.program import Program, lessons, strays, unreadable
from tests.crash.small import lesson, script

GONE = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Person:
    """Talks, teaches and saves, each on a thread of its own, until the server is gone; knows what it was told."""

    def __init__(self, chance: random.Random):
        self.chance = chance
        self.acknowledged: dict[str, dict] = {}  # by idempotency key
        self.open: tuple[str, str] | None = None  # the lesson that was asked for and not answered
        self.saved: dict[str, dict] = {}
        self.count = 0
        self.took = 0.1  # seconds of the last lesson that was acknowledged
        self.turn = threading.Condition()

    def learned(self, lessons: int, within: float = 120) -> None:
        """Returns once so many more are acknowledged: a kill that comes before anything was done shows nothing, however slow the machine."""
        with self.turn:
            wanted = len(self.acknowledged) + lessons
            assert self.turn.wait_for(lambda: len(self.acknowledged) >= wanted, within), f"no lesson was acknowledged within {within} s"

    def live(self, program: Program, over: threading.Event) -> list[threading.Thread]:
        threads = [threading.Thread(target=self._until, args=(act, program, over)) for act in (self.teach, self.chat, self.save)]
        for thread in threads:
            thread.start()
        return threads

    def _until(self, act, program, over) -> None:
        while not over.is_set():
            try:
                act(program)
            except GONE:
                return

    def teach(self, program: Program) -> None:
        if self.open is None:
            self.count += 1
            self.open = f"key-{self.count}", f"It is {self.chance.randrange(10**6)}, {self.count}."
        key, text = self.open
        began = time.monotonic()
        answer = program.post("/train", messages=lesson(text), idempotency_key=key, epochs=1 + self.count % 2)
        assert answer["learned"], answer
        with self.turn:
            self.acknowledged[key], self.open, self.took = answer, None, time.monotonic() - began
            self.turn.notify_all()

    def chat(self, program: Program) -> None:
        program.post("/infer", messages=[{"role": "user", "text": "Who?"}], session=self.chance.choice("abc"), max_tokens=4)

    def save(self, program: Program) -> None:
        answer = program.post("/save", name=self.chance.choice(("one", "two")))
        self.saved[answer["sha256"]] = answer


def check(program: Program, person: Person) -> None:
    """After a restart, before anything is asked of it."""
    written = lessons(program.data)
    assert [record["version"] for record in written] == list(range(1, len(written) + 1))
    keys = [record["key"] for record in written]
    assert len(set(keys)) == len(keys), "a lesson was learned twice"
    lost = person.acknowledged.keys() - set(keys)
    assert not lost, f"acknowledged and lost: {lost}"
    more = set(keys) - person.acknowledged.keys()
    assert more <= {person.open and person.open[0]}, f"never asked for: {more}"
    by_key = {record["key"]: record for record in written}
    for key, told in person.acknowledged.items():
        assert (told["lesson"], told["version"]) == (by_key[key]["id"], by_key[key]["version"])
    weights = program.get("/weights")
    assert weights["version"] == len(written)
    if written:
        assert weights["digest"] == written[-1]["digest"], "other weights than those that were acknowledged"
    program.listed("/lessons?limit=1")  # the store is there, and the folder that it is made in is gone
    assert not strays(program.data) and not unreadable(program.data)
    listed = {checkpoint["sha256"] for checkpoint in program.get("/save")["checkpoints"]}
    assert person.saved.keys() <= listed, "a checkpoint that was acknowledged is gone"
    for session in program.get("/sessions")["sessions"]:
        program.get(f"/sessions/{session['session']}")


def lives(kills: int, seed: int, settings, data) -> None:
    """One data folder, killed again and again."""
    chance, life = random.Random(seed), 0
    person = Person(random.Random(seed + 1))
    try:
        for life in range(kills):  # noqa: B007 - told where one fails
            if chance.random() < 0.15:  # before it answers
                program = Program(settings, data, wait=False)
                threading.Event().wait(chance.uniform(0.5, 2.5))
                program.end()
                continue
            with Program(settings, data) as program:
                check(program, person)
                over = threading.Event()
                threads = person.live(program, over)
                person.learned(chance.choice((0, 1, 1, 2, 3)))
                threading.Event().wait(chance.uniform(0, 2 * person.took))  # at any moment of the next one
                program.end()
                over.set()
                for thread in threads:
                    thread.join()
        with Program(settings, data) as program:
            check(program, person)
            if person.open is not None:  # sent again with its key: learned once, whether or not it was before
                person.teach(program)
                check(program, person)
            assert len(person.acknowledged) > kills // 2, "too little was done between the kills"
            last = program.get("/weights")["digest"]
            assert len(program.listed("/lessons?limit=1000")["lessons"]) == min(1000, len(person.acknowledged))
            assert not strays(data)
        alone = data.with_name(f"{data.name}-replayed")
        alone.mkdir()
        shutil.copy(data / "journal", alone / "journal")
        with Program(settings, alone) as program:
            assert program.get("/weights")["digest"] == last, "the journal alone gives other weights"
    except BaseException as error:
        error.add_note(f"seed={seed} life={life} log={data}.log; CRASH_SEED={seed} repeats it")
        raise


@pytest.mark.parametrize("kills", [30, pytest.param(200, marks=pytest.mark.long)])
def test_nothing_acknowledged_is_lost_to_kill_9(folder, tmp_path, kills):
    seed = int(os.environ.get("CRASH_SEED") or secrets.randbelow(10**6))
    settings = script(folder, every=7)
    with ThreadPoolExecutor(2) as pool:  # one program starts while another one works
        for done in [pool.submit(lives, kills // 2, seed + 1000 * lane, settings, tmp_path / f"data-{lane}") for lane in range(2)]:
            done.result()
