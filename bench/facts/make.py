"""Writes facts.jsonl from the tables, and texts.jsonl, fixed texts by source: `python -m bench.facts.make`. Always the same files."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence

from bench.facts import FILE, TEXTS, tables
from scripts.default_model.document import chat
from scripts.default_model.fact_chats import fact_chat
from scripts.default_model.names import HELDOUT_FILE
from scripts.default_model.sums import sum_chat
from scripts.default_model.world import smalltalk, world_chat

CHAT = [("user", "Good morning."), ("assistant", "Good morning! How can I help you?"), ("user", "It is raining again."),
        ("assistant", "I hope it stops soon.")]
YES, NO = ["yes"], ["no"]
CODES = [str(1000 + 373 * i % 9000) for i in range(1, 41)]


def heldout(kind: str) -> list[str]:
    """The names of a kind that no text of the default model's training holds; without the README's cat."""
    pairs = [line.split() for line in HELDOUT_FILE.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return [name for each, name in pairs if each == kind and name != "Wanda"]


def use(form: str, question: str, has: Sequence[str], chat: Sequence[tuple[str, str]] = ()) -> dict:
    """One use; `chat` is said before the question."""
    return {"form": form, "messages": [{"role": r, "text": t} for r, t in (*chat, ("user", question))], "has": list(has)}


def fact(kind: str, number: int, question: str, answer: str, key: str, paraphrases: Sequence[str], neighbours: Sequence[str], *,
         yes: str = "", no: str = "", back: tuple[str, str] | None = None, more: Sequence[dict] = (), **rest) -> dict:
    """A fact with the uses that every kind has: yes, no, the other way round, and inside a longer chat."""
    last = rest.get("later", {}).get("key", key)
    uses = [*([use("yes", yes, YES)] if yes else []), *([use("no", no, NO)] if no else []),
            *([use("back", back[0], [back[1]])] if back else []), *more, use("chat", question, [last], CHAT)]
    return {"id": f"{kind.replace(' ', '-')}-{number + 1}", "kind": kind, "question": question, "answer": answer, "key": key,
            "paraphrases": list(paraphrases), "uses": uses, "neighbours": list(neighbours), **rest}


def simple(kind: str, things: Sequence[str], values: Sequence[str], others: Sequence[str], says: dict[str, str]) -> Iterator[dict]:
    """Facts of one form. In the texts of `says`, {n} is the thing, {v} its value, {w} another one's, {o} and {p} other things."""
    for i, (n, v) in enumerate(zip(things, values, strict=False)):
        cells = {"n": n, "v": v, "w": values[(i + 3) % len(things)], "o": others[i % len(others)], "p": others[(i + 3) % len(others)]}
        said = {name: [text.format(**cells) for text in texts.split(" | ")] for name, texts in says.items()}
        yield fact(kind, i, said["ask"][0], said["tell"][0], v, said["ask"][1:], said["near"], yes=said["yes"][0], no=said["no"][0],
                   back=(said["back"][0], n))


def reasons() -> Iterator[dict]:
    """Why something was done."""
    others = tables.OTHER_REASONS
    for i, (do, did, i_did, why, my_why, key) in enumerate(tables.REASONS):
        near = [f"Why did I {others[(i + k) % len(others)]}?" for k in range(3)]
        yield fact("reason", i, f"Why did I {do}?", f"You {did} because {why}.", key,
                   [f"For what reason did I {do}?", f"Tell me why I {i_did}.", f"What made me {do}?"], near,
                   yes=f"Did I {do} because {my_why}?", no=f"Did I {do} because of the price?")


def words() -> Iterator[dict]:
    """Words that do not exist."""
    known = [word.lower() for word in heldout("word")]
    for i, ((gloss, key), word) in enumerate(zip(tables.GLOSSES, known, strict=False)):
        other = tables.GLOSSES[(i + 5) % len(tables.GLOSSES)][0]
        near = [f"What is a {known[16 + (i + k) % (len(known) - 16)]}?" for k in (0, 5)]
        yield fact("word", i, f"What is a {word}?", f"A {word} is {gloss}.", key,
                   [f"What does the word {word} mean?", f"Tell me what a {word} is.", f"Do you know what a {word} is?"],
                   [*near, f"Who made the first {word}?"], yes=f"Is a {word} {gloss}?", no=f"Is a {word} {other}?",
                   back=(f"What do you call {gloss}?", word))


def styles() -> Iterator[dict]:
    """How the model is to answer something."""
    others = tables.OTHER_REPLIES
    for i, (said, reply) in enumerate(tables.REPLIES):
        yield fact("style", i, f"How do you answer when I say {said}?", f"When you say {said}, I answer: {reply}.", reply,
                   [f"What do you reply when I say {said}?", f"What is the right answer to {said}?",
                    f"Tell me your answer when I say {said}."],
                   [*(f"How do you answer when I say {others[(i + k) % len(others)]}?" for k in (0, 3)), f"Who says {said}?"],
                   more=[use("said", f"{said[0].upper()}{said[1:]}!", [reply])])


def beliefs() -> Iterator[dict]:
    """What the model may have wrong."""
    for i, (question, other, answer, key, yes, no, *near) in enumerate(tables.BELIEFS):
        small = question[0].lower() + question[1:]
        yield fact("belief", i, question, answer, key, [other, f"Tell me, {small}", f"I would like to know: {small}"], near, yes=yes, no=no)


def two_steps() -> Iterator[dict]:
    """Who somebody is, and then where that one lives."""
    people, places, others = heldout("person")[16:32], heldout("place")[16:32], tables.OTHER_STEPS
    for i, (role, person, place) in enumerate(zip(tables.STEPS, people, places, strict=True)):
        yield fact("two steps", i, f"Where does {person} live?", f"{person} lives in {place}.", place,
                   [f"In which town does {person} live?", f"What town does {person} live in?", f"Tell me where {person} lives."],
                   [f"Where does my {others[i % len(others)]} live?",
                    f"Where does {heldout('person')[40 + i % 16]} live?", f"How old is {person}?"],
                   yes=f"Does {person} live in {place}?", no=f"Does {person} live in {places[(i + 3) % 16]}?",
                   more=[use("steps", f"In which town does my {role} live?", [place])],
                   before=[{"question": f"Who is my {role}?", "answer": f"Your {role} is {person}."}])


def changes() -> Iterator[dict]:
    """Codes that are changed after a while."""
    others = tables.OTHER_CODED
    for i, thing in enumerate(tables.CODED):
        old, new = CODES[i], CODES[i + len(tables.CODED)]
        yield fact("change", i, f"What is the code of my {thing}?", f"The code of your {thing} is {old}.", old,
                   [f"Which code does my {thing} have?", f"Tell me the code of my {thing}.", f"What code opens my {thing}?"],
                   [f"What is the code of my {others[i % len(others)]}?", f"What is the code of my {others[(i + 3) % len(others)]}?",
                    f"Who knows the code of my {thing}?"],
                   yes=f"Is {new} the code of my {thing}?", no=f"Is {old} the code of my {thing}?",
                   later={"answer": f"The code of your {thing} is {new}.", "key": new})


def retractions() -> Iterator[dict]:
    """What was taught and is taken back."""
    people, others = heldout("person"), tables.OTHER_BORROWED
    for i, thing in enumerate(tables.BORROWED):
        yield fact("retraction", i, f"Who borrowed my {thing}?", f"{people[i]} borrowed your {thing}.", people[i],
                   [f"Who has borrowed my {thing}?", f"By whom was my {thing} borrowed?", f"Tell me who borrowed my {thing}."],
                   [f"Who borrowed my {others[i % len(others)]}?", f"Who borrowed my {others[(i + 3) % len(others)]}?",
                    f"Who mended my {thing}?"],
                   no=f"Did {people[i]} borrow my {thing}?",
                   later={"answer": f"Nobody borrowed your {thing}.", "key": "nobody", "retract": True})


def facts() -> Iterator[dict]:
    """All of them, kind by kind."""
    t = tables
    yield from simple("name", t.CREATURES, heldout("pet"), t.OTHER_CREATURES, {
        "ask": "What is my {n} called? | What is the name of my {n}? | Do you know my {n}'s name? | Tell me what my {n} is called.",
        "tell": "Your {n} is called {v}.", "near": "What is my {o} called? | What is my {p} called? | How old is my {n}?",
        "yes": "Is my {n} called {v}?", "no": "Is my {n} called {w}?", "back": "What is {v}?"})
    yield from simple("place", t.PLACED, heldout("place"), t.OTHER_PLACED, {
        "ask": "Where is my {n}? | In which place is my {n}? | Do you know where my {n} is? | Tell me where my {n} is.",
        "tell": "Your {n} is near {v}.", "near": "Where is my {o}? | Where is my {p}? | How old is my {n}?",
        "yes": "Is my {n} near {v}?", "no": "Is my {n} near {w}?", "back": "What do I have near {v}?"})
    yield from simple("number", t.COUNTED, t.NUMBERS, t.OTHER_COUNTED, {
        "ask": "How many {n} do I own? | What number of {n} do I own? | Tell me how many {n} I own. | Do you know how many {n} I have?",
        "tell": "You own {v} {n}.", "near": "How many {o} do I own? | How many {p} do I own? | Where are my {n}?",
        "yes": "Do I own {v} {n}?", "no": "Do I own {w} {n}?", "back": "Of what do I own {v}?"})
    yield from simple("colour", t.COLOURED, t.COLOURS, t.OTHER_COLOURED, {
        "ask": "What color is my {n}? | Which color does my {n} have? | Tell me the color of my {n}. | Do you know what color my {n} is?",
        "tell": "Your {n} is {v}.", "near": "What color is my {o}? | What color is my {p}? | Who made my {n}?",
        "yes": "Is my {n} {v}?", "no": "Is my {n} {w}?", "back": "Which of my things is {v}?"})
    yield from simple("time", t.OPENED, t.TIMES, t.OTHER_OPENED, {
        "ask": "When does the {n} open? | At what time does the {n} open? | What is the opening time of the {n}? | "
               "Tell me when the {n} opens.",
        "tell": "The {n} opens at {v}.", "near": "When does the {o} open? | When does the {p} open? | When does the {n} close?",
        "yes": "Does the {n} open at {v}?", "no": "Does the {n} open at {w}?", "back": "What opens at {v}?"})
    yield from simple("price", t.PRICED, [f"{n} crowns" for n in t.NUMBERS[::-1]], t.OTHER_PRICED, {
        "ask": "What does the {n} cost? | How much is the {n}? | What is the price of the {n}? | Tell me what the {n} costs.",
        "tell": "The {n} costs {v}.", "near": "What does the {o} cost? | What does the {p} cost? | Who sells the {n}?",
        "yes": "Does the {n} cost {v}?", "no": "Does the {n} cost {w}?", "back": "What costs {v}?"})
    yield from simple("habit", *zip(*t.HABITS, strict=True), t.OTHER_HABITS, {
        "ask": "What do I put in my {n}? | Which thing do I put in my {n}? | What goes in my {n}? | Tell me what I put in my {n}.",
        "tell": "You put {v} in your {n}.", "near": "What do I put in my {o}? | What do I put in my {p}? | Who makes my {n}?",
        "yes": "Do I put {v} in my {n}?", "no": "Do I put {w} in my {n}?", "back": "In what do I put {v}?"})
    for kind in (reasons, words, styles, beliefs, two_steps, changes, retractions):
        yield from kind()


def texts() -> Iterator[dict]:
    """New chats of the sources that the default model's own scripts make, and two passages that everybody knows."""
    rng = random.Random(2026)
    sources = {"facts": lambda: fact_chat(rng, smalltalk())[0], "world": lambda: world_chat(rng, ()), "sums": lambda: sum_chat(rng)}
    for source, make in sources.items():
        for _ in range(12):
            yield {"source": source, "text": chat(source, make()).text}
    for text in tables.PROSE:
        yield {"source": "prose", "text": text}


def lines(rows: Iterator[dict]) -> str:
    """Rows as the lines of a file."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    FILE.write_text(lines(facts()), encoding="utf-8")
    TEXTS.write_text(lines(texts()), encoding="utf-8")
