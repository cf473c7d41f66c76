# ruff: noqa: SIM905, E501 - lists of words are written as text, in long lines
"""The corpora as documents: each reader takes the folder of xz files and gives cleaned documents of one source.

Kept are short exchanges in plain words. Left out: what is rude, points at a person, goes in circles, answers what only the user can
know, or answers a question that world.py answers correctly.
"""

import json
import lzma
import re
from pathlib import Path

from .clean import acceptable, asks_about_speaker, normalise, repeats
from .document import Document, chat, plain
from .world import question_key, questions_known

LONGEST = 1500
"""Characters of a document: about 450 tokens, so that it fits a row of 512."""

_JUNK = re.compile(
    r"(?:I lost my|My friend has an? |I like my|And what|Should I buy|I dreamed|What else|How big is|But what|And (?:a|the|is|how)|Is an? \w+ an? "
    r"|What goes|Who uses)\b",
    re.I,
)
_HANGING = re.compile(
    r"(?:and|but|so|it|they|that|this|he|she|why not|then|also|are they|is it|does it|do they|what about|how about|tell me more|yes|no)\b",
    re.I,
)
_EMPTY_ANSWER = re.compile(
    r"No, no|sorry for your loss|look at some old pictures|You could call (?:him|her|me|it)|the right thing\b.*the right thing"
    r"|\bas an AI\b|language model|\[\w|\bI'm not sure if I can\b",
    re.I,
)
_PERSONA = re.compile(
    r"\b(?:I live|I was born|I grew up|I have an? (?:cat|dog|house|car|wife|husband|son|daughter|sister|brother|job|friend|big)|my (?:wife|husband|mother"
    r"|father|brother|sister|mom|dad|house|car|son|daughter|friend|cat|dog|family|name|home|parents|kids|room|boyfriend|girlfriend|job|mother's))\b",
    re.I,
)
_FACTUAL = re.compile(
    r"\b(?:capital (?:city )?of|how many legs|opposite of|plural of|what colou?r is|days (?:are )?in|months (?:are )?in|largest|biggest|tallest|fastest"
    r"|highest|longest|your name|who are you|who made you|how old are you|where do you live|baby .* called|plus|minus|times|divided|\d ?[-+*/x] ?\d)\b",
    re.I,
)
_CHATTY = re.compile(
    r"\b(?:ha(?:ha)+\w*|lol|omg|u|ur|im|dont|cant|wont|didnt|ive|thats|whats|idk|tbh|yeah+|ya|yep|gonna|wanna|btw|cuz|hmu|bro|dude|aw+|ghost|snap|byu|"
    r"chat ?bot|research|survey)\b",
    re.I,
)
_SENTENCE_END = re.compile(r'(?<=[.!?"])\s+')
_STORY_NOUNS = """dog cat bird fish bear rabbit mouse horse frog duck lion monkey fox owl bee butterfly dragon princess king queen robot boat car train truck kite ball
tree garden forest castle moon star cloud rainbow snow river sea lake farm school doll teddy cake cookie apple box hat boy girl friend""".split()


def _lines(folder: Path, name: str):
    with lzma.open(folder / name, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _text(folder: Path, name: str) -> str:
    with lzma.open(folder / name, "rt", encoding="utf-8") as file:
        return file.read()


def _exchanges(messages):
    """Pairs of a user's and an assistant's text, in order; a chat that does not alternate gives none."""
    roles = [message["role"] for message in messages]
    texts = [normalise(message["text"]) for message in messages]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        return []
    return list(zip(texts[::2], texts[1::2], strict=True))


def _plausible(question: str, answer: str) -> bool:
    words = re.findall(r"[a-z']+", answer.lower())
    return (
        acceptable(question)
        and acceptable(answer)
        and not asks_about_speaker(question)
        and not _JUNK.match(question)
        and not _EMPTY_ANSWER.search(answer)
        and not _PERSONA.search(answer)
        and not _FACTUAL.search(question)
        and not repeats(answer)
        and question_key(question) not in questions_known()
        and len(words) > 1
        and len(set(words)) / len(words) > 0.6
        and answer.lower().rstrip(".!") != question.lower().rstrip(".?!")
    )


def small_chats(folder: Path):
    """smollm2_chats: runs of plausible exchanges; a run that begins in the middle of a thought loses its beginning.

    Only the first three exchanges of a chat are read: the sampled chats lose their thread after that.
    """
    for row in _lines(folder, "smollm2_chats.jsonl.xz"):
        run: list[tuple[str, str]] = []
        for question, answer in [*_exchanges(row["messages"])[:3], ("", "")]:
            if question and _plausible(question, answer):
                if run or not _HANGING.match(question):
                    run.append((question, answer))
            else:
                if run:
                    yield _chat("smollm2_chats", run)
                run = []


def _chat(source: str, exchanges) -> Document:
    return chat(source, [message for question, answer in exchanges for message in (("user", question), ("assistant", answer))])


def dialogues(folder: Path):
    """Bookings, orders and questions between a person and a service, cut at the length of a row."""
    for row in _lines(folder, "dialogs.jsonl.xz"):
        if row["source"] != "chatterbot/chinese":
            source = {"sgd": "sgd", "taskmaster4": "taskmaster", "chatterbot/english": "chatterbot"}[row["source"]]
            yield from _cut(source, _exchanges(row["messages"]), always=False)


def roleplay(folder: Path):
    """GPTeacher's roleplay."""
    for row in _lines(folder, "instruct.jsonl.xz"):
        if row["source"] == "gpteacher/Roleplay":
            yield from _cut("roleplay", _exchanges(row["messages"]), always=False)


def chitchat(folder: Path):
    """Human chats, only stretches in which people write whole sentences."""
    text = _text(folder, "chitchat_byu.txt.xz")
    for block in re.split(r"<\|endoftext\|>|\n{3,}", text):
        found = re.findall(r"(User|Assistant): (.*?)(?=\n\n(?:User|Assistant): |\Z)", block, re.S)
        exchanges = [(a[1], b[1]) for a, b in zip(found, found[1:], strict=False) if (a[0], b[0]) == ("User", "Assistant")]
        yield from _cut("chitchat", [(normalise(a), normalise(b)) for a, b in exchanges], always=True)


def _tidy(text: str) -> bool:
    return bool(text[:1].isupper() and not _CHATTY.search(text) and "!!" not in text and "??" not in text and len(text) < 300)


def _cut(source: str, exchanges, always: bool):
    """Documents of at most LONGEST characters of acceptable exchanges; with `always`, only of tidy ones."""
    run, size = [], 0
    for question, answer in [*exchanges, ("", "")]:
        fit = (
            acceptable(question)
            and acceptable(answer)
            and not asks_about_speaker(question)
            and (not always or (_tidy(question) and _tidy(answer)))
        )
        length = len(question) + len(answer) + 24
        if run and (not fit or size + length > LONGEST):
            if not always or len(run) > 1:
                yield _chat(source, run)
            run, size = [], 0
            if not always:
                return
        if fit and length <= LONGEST:
            run.append((question, answer))
            size += length


def stories(folder: Path, rng):
    """TinyStories as plain text, and four of ten short ones also as the answer to a wish for a story."""
    text = _text(folder, "tinystories_real.txt.xz")
    for story in text.split("<|endoftext|>"):
        story = normalise(story)
        if not acceptable(story):
            continue
        for part in _parts(story):
            yield plain("stories", part)
        if len(story) < LONGEST - 60 and rng.random() < 0.4:
            yield chat("stories", [("user", _wish(story, rng)), ("assistant", story)])


def _wish(story: str, rng) -> str:
    words = set(re.findall(r"[a-z]+", story.lower()))
    nouns = [noun for noun in _STORY_NOUNS if noun in words]
    if not nouns or rng.random() < 0.25:
        return rng.choice(
            (
                "Tell me a story.",
                "Tell me a story.",
                "Please tell me a story.",
                "Can you tell me a story?",
                "Write a short story.",
                "I want to hear a story.",
            )
        )
    noun = rng.choice(nouns)
    about = ("an " if noun[0] in "aeiou" else "a ") + noun
    return rng.choice(
        ("Tell me a story about {}.", "Please tell me a story about {}.", "Write a story about {}.", "Can you tell me a story about {}?")
    ).format(about)


def picture_books(folder: Path):
    """Picture books: the title, an empty line, the text; long ones in parts."""
    text = _text(folder, "kids_storybooks_en.txt.xz")
    for book in text.split("<|endoftext|>"):
        book = normalise(book)
        if acceptable(book):
            for part in _parts(book):
                yield plain("picture_books", part)


def _parts(text: str):
    """The text in parts of at most LONGEST characters that end with a sentence; a last part that is very short is left out."""
    if len(text) <= LONGEST:
        yield text
        return
    part = ""
    for sentence in _SENTENCE_END.split(text):
        if len(part) + len(sentence) + 1 > LONGEST:
            yield part
            part = ""
        part = f"{part} {sentence}".strip() if len(sentence) < LONGEST else ""
    if len(part) > 200:
        yield part
