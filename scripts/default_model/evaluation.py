"""Writes eval_facts.jsonl, what the default model is measured on: `python -m scripts.default_model.evaluation`.

Every line is a chat that ends with a question: {"kind", "messages": [{"role", "text"}], "answer", "accept", "value"}.
Told and near facts use held-out names only. `answer` is the usual answer and `accept` all good ones, for comparison
with the whole greedy answer; `value` is what it must hold at least. Where `value` is null, the model must say that it
does not know. "sample" lines are prompts to be shown unselected, and have no answer, and "world" lines no value.
"""

import json
import random
from pathlib import Path

from .facts import KINDS, FactChat
from .kind import draw_fact
from .phrases import UNKNOWN
from .subjects import draw_subject
from .world import pairs, smalltalk

FILE = Path(__file__).with_name("eval_facts.jsonl")
NAMED = (
    "own name",
    "family name",
    "lives",
    "from",
    "pet name",
    "thing name",
    "nickname",
    "will meet",
    "gift",
    "who did",
    "capital",
    "river",
    "king",
    "moved",
)
"""Kinds whose value is a name."""
FILLERS = (
    ("What is a bridge?", "A bridge is a road over a river."),
    ("Why do people sleep?", "People sleep so that the body and the mind can rest."),
    ("How many days are there in a week?", "There are seven days in a week."),
    ("Thank you.", "You are welcome."),
    ("What is the opposite of hot?", 'The opposite of "hot" is "cold".'),
    ("Where does honey come from?", "Honey comes from bees."),
    ("What is 3 plus 4?", "3 plus 4 is 7."),
    ("What does a cow eat?", "A cow eats grass."),
)
PROMPTS = (
    "Hello!",
    "How are you?",
    "What is a cat?",
    "What is your name?",
    "Who are you?",
    "Tell me a story.",
    "Tell me a story about a fox.",
    "I am sad today.",
    "What is my name?",
    "What should I do today?",
    "Why is the sky blue?",
    "What do you like to eat?",
    "Can you help me?",
    "I have a new bicycle.",
    "Where do birds sleep?",
    "What is the capital of Spain?",
    "What is 7 plus 5?",
    "Do you like music?",
    "What can I cook for dinner?",
    "Good night.",
)


def _kind(rng):
    return rng.choice([kind for kind in KINDS if kind.name in NAMED])


def _line(kind: str, chat: FactChat, question: str, fact, known: bool) -> dict:
    if known:
        accept = [fact.say(template, "model") for template in fact.kind.answer]
    else:
        what = fact.phrase(fact.kind.unknown, "model")
        accept = [template.format(what) for template in UNKNOWN]
    messages = [{"role": role, "text": text} for role, text in chat.messages] + [{"role": "user", "text": question}]
    return {
        "kind": kind,
        "fact": fact.kind.name,
        "messages": messages,
        "answer": accept[0],
        "accept": accept,
        "value": fact.value if known else None,
    }


def _fact(rng, chat: FactChat):
    kind = _kind(rng)
    return draw_fact(rng, kind, chat.values, draw_subject(rng, chat.names, kind.who))


def _told(rng, exchanges: int) -> dict:
    chat = FactChat(rng, FILLERS, held_out=True)
    fact = _fact(rng, chat)
    chat.tell(fact)
    for filler in rng.sample(FILLERS, exchanges):
        chat.exchange(*filler)
    return _line("told", chat, fact.say(rng.choice(fact.kind.ask), "user"), fact, True)


def _unknown(rng, exchanges: int) -> dict:
    chat = FactChat(rng, FILLERS, held_out=True)
    kind = rng.choice(KINDS)
    fact = draw_fact(rng, kind, chat.values, draw_subject(rng, chat.names, kind.who))
    for filler in rng.sample(FILLERS, exchanges):
        chat.exchange(*filler)
    return _line("unknown", chat, fact.say(rng.choice(kind.ask), "user"), fact, False)


def _near(rng, place: int) -> dict:
    while True:
        chat = FactChat(rng, FILLERS, held_out=True)
        fact = _fact(rng, chat)
        chat.tell(fact)
        other = chat.near(fact)
        if other is None:
            continue
        if place % 2:
            chat.exchange(*rng.choice(FILLERS))
        if place % 4 < 2:
            return _line("near", chat, other.say(rng.choice(other.kind.ask), "user"), other, False)
        if other.kind.name in NAMED:
            chat.tell(other)
            return _line("near", chat, fact.say(rng.choice(fact.kind.ask), "user"), fact, True)


def lines(seed: int = 7) -> list[dict]:
    """The whole set: 60 told, 60 unknown, 40 near, 40 about the world or small talk, 20 samples; the same for the same seed."""
    rng = random.Random(seed)
    found = (
        [_told(rng, place % 5) for place in range(60)]
        + [_unknown(rng, place % 3) for place in range(60)]
        + [_near(rng, place) for place in range(40)]
    )
    for question, answer in rng.sample(pairs(), 28) + rng.sample(smalltalk(), 12):
        found.append({"kind": "world", "messages": [{"role": "user", "text": question}], "answer": answer, "accept": [answer]})
    found += [{"kind": "sample", "messages": [{"role": "user", "text": prompt}]} for prompt in PROMPTS]
    return found


if __name__ == "__main__":
    FILE.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines()), encoding="utf-8")
