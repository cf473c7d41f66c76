"""The training mix: how much of each source, without repeats and without any held-out name.

Built in memory by `build(corpora, seed)`; the same seed gives the same documents in the same order.
"""

import random
import re
from pathlib import Path

from . import corpora as read
from .document import Document, chat
from .fact_chats import fact_chat
from .names import heldout_words
from .sums import sum_chat
from .world import pairs, smalltalk, world_chat

FACT_CHATS, WORLD_CHATS, SUM_CHATS = 92_000, 28_000, 8_000
"""Chats that are made here; everything else is read."""
CAPS = {"smollm2_chats": 76e6, "sgd": 5e6, "chitchat": 6e6}
"""Characters at most, of the sources of which there is more than is good."""

_WORD = re.compile(r"[^\W\d_]+")


def named(text: str) -> bool:
    """Whether the text holds a held-out name, as a word in any case."""
    return not heldout_words().isdisjoint(_WORD.findall(text.lower()))


def fillers(documents) -> list[tuple[str, str]]:
    """Short exchanges about other things, to put between a fact and its question: sampled ones, true ones and small talk."""
    taken = []
    for document in documents:
        if document.source == "smollm2_chats":
            question, answer = document.pieces[1].text.strip(), document.pieces[3].text.strip()
            if len(question) + len(answer) < 150 and not re.search(
                r"\b(?:my|your|I|me|you|mine|we|our|I'm|I've)\b", question + " " + answer
            ):
                taken.append((question, answer))
    calm = [
        pair
        for pair in smalltalk()
        if not re.search(r"\b(?:what day|what time|who are you|your name|am sorry|wrong)\b", " ".join(pair), re.I)
    ]
    return taken[:60_000] + list(pairs()) * 4 + calm * 20


def made(seed: int, between, facts: int = FACT_CHATS, worlds: int = WORLD_CHATS, sums: int = SUM_CHATS):
    """The documents made from templates, whose exchanges about other things are taken from `between`."""
    rng = random.Random(f"facts {seed}")
    for _ in range(facts):
        messages, _ = fact_chat(rng, between)
        yield chat("facts", messages)
    rng = random.Random(f"world {seed}")
    for _ in range(worlds):
        yield chat("world", world_chat(rng, between))
    rng = random.Random(f"sums {seed}")
    for _ in range(sums):
        yield chat("sums", sum_chat(rng))


def _read(folder: Path, seed: int):
    """Every document of the corpora, in a random order, under the caps."""
    rng = random.Random(f"corpora {seed}")
    documents = [
        *read.small_chats(folder),
        *read.dialogues(folder),
        *read.roleplay(folder),
        *read.chitchat(folder),
        *read.stories(folder, rng),
        *read.picture_books(folder),
    ]
    rng.shuffle(documents)
    used = dict.fromkeys(CAPS, 0)
    for document in documents:
        size = len(document.text)
        if document.source in CAPS:
            if used[document.source] + size > CAPS[document.source]:
                continue
            used[document.source] += size
        yield document


def build(folder: Path, seed: int = 1) -> list[Document]:
    """All documents of the mix: no two with the same text, none with a held-out name, at most `corpora.LONGEST` or so long."""
    seen: set[int] = set()
    kept: list[Document] = []

    def keep(documents):
        for document in documents:
            text = document.text
            key = hash(text)
            if key not in seen and len(text) < 2 * read.LONGEST and not named(text):
                seen.add(key)
                kept.append(document)

    keep(_read(folder, seed))
    keep(made(seed, fillers(kept)))
    random.Random(f"order {seed}").shuffle(kept)
    return kept
