"""What lessons are practised on: facts, each with the question and answer that teach it, and what is asked afterwards.

    python -m scripts.default_model.episodes --facts 24000 --out FILE

Asked are the question itself, other wordings, yes and no, the other way round, the question inside a longer chat, and questions beside it, whose
answer the lesson must leave as it was: "I do not know …", or what is true in the world. No held-out name is drawn.

Written is a numpy archive: rows of tokens [rows, SHORT] and [rows, LONG], of each row where its answer begins and ends, its fact, its form (an
index into FORMS) and a key of what it asks, the same for all wordings of a question; and of each fact its kind.
"""

from __future__ import annotations

import argparse
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from scripts.default_model import taught_words as words
from scripts.default_model.document import chat
from scripts.default_model.facts import KINDS
from scripts.default_model.kind import Fact, Kind, draw_fact
from scripts.default_model.kinds_owned import NOBODY_KNOWS
from scripts.default_model.kinds_taught import TAUGHT_KINDS
from scripts.default_model.names import Names
from scripts.default_model.phrases import american, lower_first
from scripts.default_model.subjects import draw_subject
from scripts.default_model.values import Values
from scripts.default_model.world import pairs, smalltalk

FORMS = ("lesson", "paraphrase", "yes", "no", "back", "said", "chat", "near")
SHORT, LONG = 48, 112
UNKNOWN = "I do not know {}. Please tell me."
FRAMES = (
    "Tell me {u}.",
    "Do you know {u}?",
    "Can you tell me {u}?",
    "Please tell me {u}.",
    "I want to know {u}.",
    "Do you remember {u}?",
    "Say {u}.",
    "I have forgotten {u}.",
    "I wonder {u}.",
    "Could you say {u}?",
)
"""Ways to ask for what completes "I do not know …"."""
LEADS = (
    "Tell me, {q}",
    "A question: {q}",
    "I would like to know: {q}",
    "Please say, {q}",
    "Hey, {q}",
    "And {q}",
    "Do you remember? {Q}",
    "One question. {Q}",
    "So {q}",
)
PLAIN = [kind for kind in KINDS if kind.nouns or kind.noun_pool]
"""Kinds of the mix of which there are many facts."""


@dataclass(frozen=True)
class Asked:
    """A row: what was said before with the question last, and the answer."""

    form: str
    messages: tuple[tuple[str, str], ...]
    answer: str
    key: str
    kind: str = ""


class TaughtValues(Values):
    """Values of the kinds that lessons are practised on too."""

    _SMALL = [
        "two",
        "three",
        "four",
        "five",
        "six",
        "seven",
        "eight",
        "nine",
        "ten",
        "eleven",
        "twelve",
        "thirteen",
        "fourteen",
        "fifteen",
        "sixteen",
        "seventeen",
        "eighteen",
        "nineteen",
    ]
    _TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]

    def _number4(self) -> str:
        return str(self.rng.randint(1000, 9999))

    def _written_count(self) -> str:
        roll = self.rng.random()
        if roll < 0.2:
            return str(self.rng.randint(2, 99))
        ten, one = self.rng.choice(self._TENS), self.rng.choice(self._SMALL[:8])
        return self.rng.choice(self._SMALL) if roll < 0.5 else ten if roll < 0.55 else f"{ten}-{one}"

    def _price(self) -> str:
        return f"{self._written_count()} {self.rng.choice(('crowns', 'euros', 'dollars', 'coins', 'pounds', 'francs'))}"

    def _weight(self) -> str:
        return f"{self._written_count()} {self.rng.choice(('kilos', 'pounds', 'grams', 'tons'))}"

    def _clock(self) -> str:
        hour, minute = self.rng.choice(self._SMALL[:11]), self.rng.choice(("five", "ten", "twenty", "twenty-five", "a quarter"))
        return self.rng.choice((f"{minute} past {hour}", f"{minute} to {hour}", f"half past {hour}", f"{hour} o'clock", f"{hour}"))

    def _spice(self) -> str:
        return self.rng.choice(words.SPICES)

    def _cause(self) -> str:
        return self.rng.choice(words.CAUSES)

    def _gloss(self) -> str:
        return f"{self.rng.choice(words.GLOSSES[0])} {self.rng.choice(words.GLOSSES[1])}"

    def _reply(self) -> str:
        return f"{self.rng.choice(words.REPLIES[0])} {self.rng.choice(words.REPLIES[1])}"

    def _unknown(self) -> str:
        return "?"


class Maker:
    """Draws facts with what is asked of them."""

    def __init__(self, seed: int):
        self.rng = rng = random.Random(f"episodes {seed}")
        self.names = Names(rng)
        self.values = TaughtValues(rng, self.names)
        self.groups: dict[str, list[Kind]] = {}
        for kind in TAUGHT_KINDS + KINDS:
            if kind.group:
                self.groups.setdefault(kind.group, []).append(kind)
        self.teachable = [kind for kind in TAUGHT_KINDS if kind.values != NOBODY_KNOWS]
        self.small = smalltalk()
        self.world = pairs()
        self.alike: dict[str, list[tuple[str, str]]] = {}
        for question, answer in self.world:
            self.alike.setdefault(" ".join(question.split()[:3]), []).append((question, answer))
        self.wide = [pair for some in self.alike.values() if len(some) > 4 for pair in some]

    def taught(self) -> list[Asked]:
        """One fact: the lesson first. In American spelling half of the time."""
        rows = self._belief() if self.rng.random() < 0.06 else self._fact()
        if self.rng.random() < 0.5:
            rows = [
                Asked(r.form, tuple((role, american(text)) for role, text in r.messages), american(r.answer), american(r.key), r.kind)
                for r in rows
            ]
        return rows

    def _draw(self, kind: Kind, subject=None, noun: str | None = None) -> Fact:
        return draw_fact(self.rng, kind, self.values, subject or draw_subject(self.rng, self.names, kind.who), noun)

    def _fact(self) -> list[Asked]:
        rng = self.rng
        pool = self.teachable if rng.random() < 0.7 else PLAIN
        kind = rng.choices(pool, [kind.weight for kind in pool])[0]
        fact = self._draw(kind)
        answer, key = fact.say(kind.answer[0], "model"), self._key(fact)
        asks = [fact.say(ask, "user") for ask in kind.ask]
        question = asks[0] if rng.random() < 0.5 else rng.choice(asks)
        rows = [Asked("lesson", (("user", question),), answer, key, "deed" if kind.group == "deed" else kind.name)]
        others = [text for text in asks if text != question]
        wordings = rng.sample(others, min(2, len(others)))
        wordings.append(self._framed(fact) if rng.random() < 0.75 else self._led(question))
        rows += [Asked("paraphrase", (("user", text),), answer, key) for text in wordings]
        if kind.yes:
            rows.append(Asked("yes", (("user", fact.say(rng.choice(kind.yes), "user")),), "Yes, " + lower_first(answer), key))
            other = fact.value
            while other == fact.value:
                other = self._draw(kind, fact.subject, fact.noun).value
            rows.append(Asked("no", (("user", fact.say(rng.choice(kind.yes), "user", other)),), "No, " + lower_first(answer), key))
        if kind.back:
            asked, said = rng.choice(kind.back)
            rows.append(Asked("back", (("user", fact.say(asked, "user")),), fact.say(said, "model"), key))
        if kind.name == "a reply":
            rows.append(
                Asked(
                    "said",
                    (("user", fact.noun[0].upper() + fact.noun[1:] + rng.choice(("!", ".", "?", ""))),),
                    fact.say("{v}.", "model"),
                    key,
                )
            )
        rows.append(Asked("chat", (*self._talk(), ("user", rng.choice((question, question, rng.choice(asks))))), answer, key))
        for _ in range(4):
            near = self._near(fact)
            if near is not None and self._key(near) != key:
                rows.append(
                    Asked("near", (("user", self._asked(near)),), UNKNOWN.format(near.phrase(near.kind.unknown, "model")), self._key(near))
                )
        return rows

    def _key(self, fact: Fact) -> str:
        return fact.phrase(fact.kind.unknown, "model")

    def _framed(self, fact: Fact) -> str:
        return self.rng.choice(FRAMES).format(u=fact.phrase(fact.kind.unknown, "user"))

    def _led(self, question: str) -> str:
        return self.rng.choice(LEADS).format(q=lower_first(question), Q=question)

    def _asked(self, near: Fact) -> str:
        roll = self.rng.random()
        if roll < 0.08 and near.kind.yes:
            return near.say(self.rng.choice(near.kind.yes), "user")
        return self._framed(near) if roll < 0.2 else near.say(near.kind.ask[0] if roll < 0.6 else self.rng.choice(near.kind.ask), "user")

    def _near(self, fact: Fact) -> Fact | None:
        """Another thing of the same kind, another kind about the same thing, the same of somebody else."""
        kind, roll = fact.kind, self.rng.random()
        if roll < 0.6 and (kind.nouns or kind.noun_pool):
            return self._draw(kind, fact.subject)
        if roll < 0.9 and kind.group:
            family = self.groups[kind.group]
            return self._draw(self.rng.choices(family, [k.weight for k in family])[0], fact.subject, fact.noun)
        if kind.who in ("any", "third"):
            return self._draw(kind, None, fact.noun)
        other = self.rng.choices(self.teachable, [k.weight for k in self.teachable])[0]
        return self._draw(other)

    def _belief(self) -> list[Asked]:
        """Something true is answered in a new way; what is asked like it keeps its answer."""
        rng = self.rng
        question, true = rng.choice(self.wide)
        *first, last = true.rstrip(".").split()
        value = rng.choice(
            (
                self.names.draw("person"),
                rng.choice(words.THINGS),
                rng.choice(words.SPICES),
                self.values.draw("material"),
                self.values.draw("written_count"),
            )
        )
        answer = " ".join((*first, value)) + "."
        if value[0].isupper() and rng.random() < 0.3:
            answer = f"{value} does."
        rows = [Asked("lesson", (("user", question),), answer, question, "belief")]
        rows += [Asked("paraphrase", (("user", self._led(question)),), answer, question) for _ in range(2)]
        rows.append(Asked("chat", (*self._talk(), ("user", question)), answer, question))
        near = [pair for pair in rng.sample(self.alike[" ".join(question.split()[:3])], 4) if pair[0] != question][:3]
        return rows + [Asked("near", (("user", q),), a, q) for q, a in near]

    def _talk(self) -> list[tuple[str, str]]:
        talk = []
        for _ in range(self.rng.choice((1, 2, 2, 3))):
            question, answer = self.rng.choice(self.small if self.rng.random() < 0.6 else self.world)
            talk += [("user", question), ("assistant", answer)]
        return talk


def encoded(rows: Sequence[Asked], tokenizer: Tokenizer) -> Iterator[tuple[list[int], int]]:
    """(The tokens of each row, where its answer begins); the pieces are encoded each on its own."""
    documents = [chat("taught", (*row.messages, ("assistant", row.answer))) for row in rows]
    pieces = iter(tokenizer.encode_batch_fast([piece.text for d in documents for piece in d.pieces], add_special_tokens=False))
    for document in documents:
        ids = [0]
        for _ in document.pieces[:-1]:
            ids += next(pieces).ids
        begin = len(ids)
        yield ids + next(pieces).ids, begin


def pack(facts: Sequence[Sequence[Asked]], tokenizer: Tokenizer) -> dict[str, np.ndarray]:
    """The archive's arrays. A fact whose lesson is longer than SHORT is left out, as is another row that is too long."""
    flat = [row for fact in facts for row in fact]
    owner = [number for number, fact in enumerate(facts) for _ in fact]
    parts: dict[str, list] = {"short": [], "long": []}
    number, current, keep, kinds = -1, -1, False, []
    for row, (ids, begin), fact in zip(flat, encoded(flat, tokenizer), owner, strict=True):
        if fact != current:
            current, keep = fact, len(ids) <= SHORT
            number += keep
            kinds += [row.kind] * keep
        size = LONG if row.form == "chat" else SHORT
        if keep and len(ids) <= size:
            about = (begin, len(ids), number, FORMS.index(row.form), zlib.crc32(row.key.lower().encode()))
            parts["long" if row.form == "chat" else "short"].append((ids + [0] * (size - len(ids)), about))
    arrays = {"kinds": np.unique(kinds, return_inverse=True)[1]}
    for name, rows in parts.items():
        arrays[name] = np.array([ids for ids, _ in rows], np.uint16)
        arrays[f"{name}_about"] = np.array([about for _, about in rows], np.int64)
    return arrays


def main() -> None:
    """Draw, encode, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--facts", type=int, default=24_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    maker = Maker(options.seed)
    tokenizer = Tokenizer.from_file(str(Path(__file__).parents[2] / "rwkv_models" / "tiny" / "tokenizer.json"))
    tokenizer.encode_special_tokens = True
    arrays = pack([maker.taught() for _ in range(options.facts)], tokenizer)
    np.savez_compressed(options.out, **arrays)
    print({name: array.shape for name, array in arrays.items()})


if __name__ == "__main__":
    main()
