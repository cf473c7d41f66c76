# ruff: noqa: SIM905 - lists of words are written as text
"""Chats about the world, from tables of true things, and small talk: what a small model sampled from a small model gets wrong.

`pairs()` is every question with its answer, `questions_known()` the questions that other sources must not answer otherwise.
"""

from functools import cache

from . import world_answers
from . import world_tables as tables
from .phrases import american
from .values import LISTS, with_article


def _table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in row.split("=")] for row in text.replace("\n", "").split(";")]


def _lines(text: str):
    for line in text.splitlines():
        questions, answer = line.split("=")
        for question in questions.split("|"):
            yield question, answer


def _capitals():
    for country, city, continent in _table(tables.CAPITALS):
        capital = f"The capital of {country} is {city}."
        for question in (
            "What is the capital of {}?",
            "What is the capital city of {}?",
            "Which city is the capital of {}?",
            "Do you know the capital of {}?",
            "Tell me the capital of {}.",
        ):
            yield question.format(country), capital
        yield f"Is {city} the capital of {country}?", f"Yes, {city} is the capital of {country}."
        yield f"What is {city}?", f"{city} is the capital of {country}."
        yield f"Where is {city}?", f"{city} is in {country}."
        name = country[0].upper() + country[1:]
        verb = "are" if country in ("the Netherlands", "the United States", "the Philippines") else "is"
        yield f"Where {verb} {country}?", f"{name} {verb} in {continent}."
        yield f"On which continent {verb} {country}?", f"{name} {verb} in {continent}."
        yield f"What is {country}?", f"{name} is a country in {continent}."


def _animals():
    for animal, sound in _table(tables.SOUNDS):
        yield f"What does {with_article(animal)} say?", sound + "."
        yield f"What sound does {with_article(animal)} make?", sound + "."
    for animal, young in _table(tables.BABIES):
        yield f"What is a baby {animal} called?", f"A baby {animal} is called {with_article(young)}."
        yield f"What do you call a young {animal}?", f"A young {animal} is called {with_article(young)}."
    for animal, home in _table(tables.HOMES):
        name = with_article(animal)
        yield f"Where does {name} live?", f"{name.capitalize()} lives {home}."
        yield f"What is the home of {name}?", f"{name.capitalize()} lives {home}."
    for thing, count in _table(tables.LEGS):
        name = with_article(thing)
        yield f"How many legs does {name} have?", f"{name.capitalize()} has {count} legs."
    for animal, food in _table(tables.EATS):
        name = with_article(animal)
        yield f"What does {name} eat?", f"{name.capitalize()} eats {food}."
        yield f"What does {name} like to eat?", f"{name.capitalize()} eats {food}."


def _things():
    for thing, colour in _table(tables.COLOURS):
        verb = "are" if thing.startswith("leaves") else "is"
        yield f"What colour {verb} {thing}?", f"{_capital(thing)} {verb} {colour}."
    for thing, use in _table(tables.USES):
        verb = "are" if thing in ("scissors", "glasses") else "is"
        yield f"What {verb} {thing} for?", f"You use {thing} to {use}."
        yield f"What do you do with {thing}?", f"You use {thing} to {use}."
        yield f"What can I do with {thing}?", f"You can use {thing} to {use}."
    for thing, sort in _table(tables.SORTS):
        name = thing if thing[0].isupper() or sort in ("colour", "metal", "food", "drink", "sport", "season") else with_article(thing)
        answer = f"{_capital(name)} is {with_article(sort)}."
        yield f"What kind of thing is {name}?", answer
        yield f"Is {name} {with_article(sort)}?", "Yes, " + (answer if name[0].isupper() else answer[0].lower() + answer[1:])
        yield f"Name {with_article(sort)}.", answer
    for thing, meaning in _table(tables.DEFINITIONS):
        name = (
            thing
            if thing
            in ("bread", "cheese", "soup", "tea", "coffee", "honey", "ice", "snow", "rain", "wind", "fire", "gold", "winter", "summer")
            else with_article(thing)
        )
        answer = f"{_capital(name)} is {meaning}."
        for question in (
            "What is {}?",
            "What is {}?",
            "Can you tell me what {} is?",
            "Do you know what {} is?",
            "Explain what {} is.",
            "Tell me what {} is.",
        ):
            yield question.format(name), answer


def _words():
    for word, other in _table(tables.OPPOSITES):
        for one, two in ((word, other), (other, word)):
            if two != "light" or one == "dark":
                yield f'What is the opposite of "{one}"?', f'The opposite of "{one}" is "{two}".'
                yield f"What is the opposite of {one}?", f'The opposite of "{one}" is "{two}".'
    for one, many in _table(tables.PLURALS):
        yield f'What is the plural of "{one}"?', f'The plural of "{one}" is "{many}".'
    for verb, past in _table(tables.PASTS):
        yield f'What is the past of "{verb}"?', f'The past of "{verb}" is "{past}".'
    for pool, what in (("weekday", "day"), ("month", "month")):
        names = LISTS[pool]
        for place, name in enumerate(names):
            after, before = names[(place + 1) % len(names)], names[place - 1]
            yield f"Which {what} comes after {name}?", f"{after} comes after {name}."
            yield f"What comes after {name}?", f"{after} comes after {name}."
            yield f"Which {what} comes before {name}?", f"{before} comes before {name}."
    for letter, following in zip("ABCDEFGHIJKLMNOPQRSTUVWXY", "BCDEFGHIJKLMNOPQRSTUVWXYZ", strict=True):
        yield f"Which letter comes after {letter}?", f"{following} comes after {letter}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


@cache
def pairs() -> tuple[tuple[str, str], ...]:
    """Every question about the world with its answer."""
    return (*_capitals(), *_animals(), *_things(), *_words(), *_lines(world_answers.ANSWERS))


@cache
def smalltalk() -> tuple[tuple[str, str], ...]:
    """Greetings, thanks and questions to the assistant itself, with their answers."""
    return tuple(_lines(world_answers.SMALLTALK))


def question_key(text: str) -> str:
    """A question without its spelling: lower case letters and single spaces, colour as color."""
    return " ".join("".join(c if c.isalpha() else " " for c in american(text).lower()).split())


@cache
def questions_known() -> frozenset[str]:
    """The keys of all questions answered here; a source that may answer them wrongly leaves them out."""
    return frozenset(question_key(question) for question, _ in pairs() + smalltalk())


def world_chat(rng, others):
    """A chat of one to five exchanges: questions about the world, small talk around them, and now and then one of `others` (pairs)."""
    messages = []
    if rng.random() < 0.08:
        messages.append(
            (
                "system",
                rng.choice(
                    (
                        "You are a helpful assistant.",
                        "You are a friendly assistant.",
                        "Answer in plain English.",
                        "You are a small, kind assistant.",
                    )
                ),
            )
        )
    exchanges = [rng.choice(smalltalk()[:9] if rng.random() < 0.5 else smalltalk())] if rng.random() < 0.3 else []
    for _ in range(rng.choice((1, 1, 2, 3, 4))):
        roll = rng.random()
        pool = pairs() if roll < 0.5 else _answers() if roll < 0.72 else smalltalk() if roll < 0.85 or not others else others
        exchanges.append(rng.choice(pool))
    if rng.random() < 0.15:
        exchanges.append(rng.choice([pair for pair in smalltalk() if pair[1].startswith(("Goodbye", "You are welcome"))]))
    for question, answer in exchanges:
        if rng.random() < 0.05:
            question = question.rstrip("?.")
        elif rng.random() < 0.04 and question == question.capitalize():
            question = question.lower()
        messages += [("user", question), ("assistant", answer)]
    if rng.random() < 0.3:
        messages = [(role, american(text)) for role, text in messages]
    return messages


@cache
def _answers():
    return tuple(_lines(world_answers.ANSWERS))
