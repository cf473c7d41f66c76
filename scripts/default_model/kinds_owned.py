"""Kinds of facts about things and creatures that lessons are practised on, beside those of the mix, each about any of many.

A kind whose `values` is "unknown" is never taught: its questions are asked beside what was taught, and nobody knows the answer.
"""

from . import taught_words as words
from .kind import Kind

NOBODY_KNOWS = "unknown"

_CALLED = {
    "tell": ("{O} {n} is called {v}.",),
    "ask": (
        "What is {o} {n} called?",
        "What is the name of {o} {n}?",
        "What is {o} {n}'s name?",
        "Which name does {o} {n} have?",
        "How {do} {p} call {o} {n}?",
        "By what name {do} {p} call {o} {n}?",
        "What's {o} {n}'s name?",
    ),
    "answer": ("{O} {n} is called {v}.",),
    "unknown": "what {o} {n} is called",
    "yes": ("Is {o} {n} called {v}?", "Is {v} the name of {o} {n}?"),
    "back": (("What is {v}?", "{v} is {o} {n}."), ("Who is {v}?", "{v} is {o} {n}."), ("What of mine is called {v}?", "{v} is {o} {n}.")),
}


def secret(group: str, nouns, *questions: tuple[str, str]) -> tuple[Kind, ...]:
    """Kinds of which nothing is ever told: (question, what is not known)."""
    return tuple(
        Kind(
            f"{group} {unknown}",
            group=group,
            nouns=nouns,
            who="none" if "{o}" not in ask else "any",
            values=NOBODY_KNOWS,
            tell=(),
            ask=(ask,),
            answer=(),
            unknown=unknown,
            weight=0.15,
        )
        for ask, unknown in questions
    )


ABOUT_THINGS = (
    Kind("called creature", nouns=words.ANIMALS, values="pet", weight=3, group="creature", **_CALLED),
    Kind("called thing", nouns=words.THINGS, values="word", weight=1.5, group="thing", **_CALLED),
    *(
        Kind(
            f"age of {group}",
            nouns=nouns,
            values="small_number",
            weight=0.7,
            group=group,
            tell=("{O} {n} is {v} years old.",),
            ask=("How old is {o} {n}?", "What is the age of {o} {n}?", "How many years old is {o} {n}?"),
            answer=("{O} {n} is {v} years old.",),
            unknown="how old {o} {n} is",
            yes=("Is {o} {n} {v} years old?",),
            back=(("Which of my things is {v} years old?", "{O} {n} is {v} years old."),),
        )
        for group, nouns in (("creature", words.ANIMALS), ("thing", words.THINGS))
    ),
    Kind(
        "stands near",
        nouns=words.THINGS,
        values="place",
        weight=2,
        group="thing",
        tell=("{O} {n} is near {v}.",),
        answer=("{O} {n} is near {v}.",),
        unknown="where {o} {n} is",
        ask=(
            "Where is {o} {n}?",
            "Where can I find {o} {n}?",
            "Near which town is {o} {n}?",
            "At which place is {o} {n}?",
            "Where {do} {p} keep {o} {n}?",
        ),
        yes=("Is {o} {n} near {v}?",),
        back=(("What is near {v}?", "{O} {n} is near {v}."), ("What of mine is near {v}?", "{O} {n} is near {v}.")),
    ),
    Kind(
        "lies",
        nouns=words.THINGS,
        values="spot",
        weight=1.5,
        group="thing",
        tell=("{O} {n} is {v}.",),
        answer=("{O} {n} is {v}.",),
        unknown="where {o} {n} is",
        ask=("Where is {o} {n}?", "Where did {p} put {o} {n}?", "Where can I find {o} {n}?", "In which place is {o} {n} kept?"),
        yes=("Is {o} {n} {v}?",),
        back=(("What is {v}?", "{O} {n} is {v}."),),
    ),
    Kind(
        "coloured",
        nouns=words.THINGS,
        values="colour",
        weight=2,
        group="thing",
        tell=("{O} {n} is {v}.",),
        answer=("{O} {n} is {v}.",),
        unknown="what color {o} {n} is",
        ask=(
            "What color is {o} {n}?",
            "What is the color of {o} {n}?",
            "Which color is {o} {n}?",
            "In which color is {o} {n} painted?",
            "What color does {o} {n} have?",
        ),
        yes=("Is {o} {n} {v}?",),
        back=(("What of mine is {v}?", "{O} {n} is {v}."), ("Which thing is {v}?", "{O} {n} is {v}.")),
    ),
    Kind(
        "material of",
        nouns=words.THINGS,
        values="material",
        weight=0.7,
        group="thing",
        tell=("{O} {n} is made of {v}.",),
        answer=("{O} {n} is made of {v}.",),
        unknown="what {o} {n} is made of",
        ask=("What is {o} {n} made of?", "Of what is {o} {n} made?", "Which material is {o} {n} made of?"),
        yes=("Is {o} {n} made of {v}?",),
        back=(("What is made of {v}?", "{O} {n} is made of {v}."),),
    ),
    Kind(
        "code of",
        nouns=words.THINGS,
        values="number4",
        weight=1.5,
        group="thing",
        tell=("The code of {o} {n} is {v}.",),
        answer=("The code of {o} {n} is {v}.",),
        unknown="what the code of {o} {n} is",
        ask=(
            "What is the code of {o} {n}?",
            "What is {o} {n}'s code?",
            "Which code is it for {o} {n}?",
            "What code {do} {p} need for {o} {n}?",
        ),
        yes=("Is {v} the code of {o} {n}?", "Is the code of {o} {n} {v}?"),
        back=(("What is the code {v} for?", "The code of {o} {n} is {v}."),),
    ),
    *(
        Kind(
            f"who {did} it",
            nouns=words.THINGS,
            values="person",
            weight=0.5,
            group="thing",
            tell=("{v} " + did + " {o} {n}.",),
            answer=("{v} " + did + " {o} {n}.",),
            unknown="who " + did + " {o} {n}",
            ask=(
                "Who " + did + " {o} {n}?",
                "Which person " + did + " {o} {n}?",
                "Who was it that " + did + " {o} {n}?",
                "Who has " + done + " {o} {n}?",
                "By whom was {o} {n} " + done + "?",
            ),
            yes=("Did {v} " + do + " {o} {n}?", "Was it {v} who " + did + " {o} {n}?"),
            back=(("What did {v} " + do + "?", "{v} " + did + " {o} {n}."),),
        )
        for do, did, done in (
            ("borrow", "borrowed", "borrowed"),
            ("take", "took", "taken"),
            ("find", "found", "found"),
            ("buy", "bought", "bought"),
            ("repair", "repaired", "repaired"),
            ("clean", "cleaned", "cleaned"),
            ("make", "made", "made"),
        )
    ),
    Kind(
        "price of",
        nouns=words.THINGS,
        who="none",
        values="price",
        weight=2,
        group="goods",
        tell=("The {n} costs {v}.",),
        answer=("The {n} costs {v}.",),
        unknown="what the {n} costs",
        ask=(
            "What does the {n} cost?",
            "How much does the {n} cost?",
            "How much is the {n}?",
            "What is the price of the {n}?",
            "How much do I pay for the {n}?",
            "For how much can I buy the {n}?",
        ),
        yes=("Does the {n} cost {v}?", "Is {v} the price of the {n}?"),
        back=(("What costs {v}?", "The {n} costs {v}."), ("What can I buy for {v}?", "The {n} costs {v}.")),
    ),
    Kind(
        "weight of",
        nouns=words.THINGS,
        who="none",
        values="weight",
        weight=0.7,
        group="goods",
        tell=("The {n} weighs {v}.",),
        answer=("The {n} weighs {v}.",),
        unknown="what the {n} weighs",
        ask=("What does the {n} weigh?", "How heavy is the {n}?", "What is the weight of the {n}?"),
        yes=("Does the {n} weigh {v}?",),
        back=(("What weighs {v}?", "The {n} weighs {v}."),),
    ),
    *secret(
        "creature",
        words.ANIMALS,
        ("Who feeds {o} {n}?", "who feeds {o} {n}"),
        ("Where did {p} find {o} {n}?", "where {p} found {o} {n}"),
        ("Why is {o} {n} sad?", "why {o} {n} is sad"),
        ("How heavy is {o} {n}?", "how heavy {o} {n} is"),
    ),
    *secret(
        "thing",
        words.THINGS,
        ("Who sold {o} {n}?", "who sold {o} {n}"),
        ("Who knows {o} {n}?", "who knows {o} {n}"),
        ("Who uses {o} {n}?", "who uses {o} {n}"),
        ("When did {p} buy {o} {n}?", "when {p} bought {o} {n}"),
        ("Why did {p} buy {o} {n}?", "why {p} bought {o} {n}"),
        ("How big is {o} {n}?", "how big {o} {n} is"),
        ("Who mends {o} {n}?", "who mends {o} {n}"),
    ),
    *secret(
        "goods",
        words.THINGS,
        ("Who buys the {n}?", "who buys the {n}"),
        ("Who makes the {n}?", "who makes the {n}"),
        ("Where is the {n}?", "where the {n} is"),
        ("How old is the {n}?", "how old the {n} is"),
        ("Who offers the {n}?", "who offers the {n}"),
    ),
)
