"""Kinds of facts that lessons are practised on, beside those of the mix: each about any of many things, told by a question and its answer.

A kind whose `values` is "unknown" is never taught: its questions are asked beside what was taught, and nobody knows the answer.
"""

from . import taught_words as words
from .kind import Kind

NOBODY_KNOWS = "unknown"

_CALLED = {
    "tell": ("{O} {n} is called {v}.",),
    "ask": ("What is {o} {n} called?", "What is the name of {o} {n}?", "What is {o} {n}'s name?", "Which name does {o} {n} have?",
            "How {do} {p} call {o} {n}?", "By what name {do} {p} call {o} {n}?", "What's {o} {n}'s name?"),
    "answer": ("{O} {n} is called {v}.",),
    "unknown": "what {o} {n} is called",
    "yes": ("Is {o} {n} called {v}?", "Is {v} the name of {o} {n}?"),
    "back": (("What is {v}?", "{v} is {o} {n}."), ("Who is {v}?", "{v} is {o} {n}."), ("What of mine is called {v}?", "{v} is {o} {n}.")),
}


def _secret(group: str, nouns, *questions: tuple[str, str]) -> tuple[Kind, ...]:
    """Kinds of which nothing is ever told: (question, what is not known)."""
    return tuple(Kind(f"{group} {unknown}", group=group, nouns=nouns, who="none" if "{o}" not in ask else "any", values=NOBODY_KNOWS,
                      tell=(), ask=(ask,), answer=(), unknown=unknown, weight=0.15) for ask, unknown in questions)



ABOUT_THINGS = (
    Kind("called creature", nouns=words.ANIMALS, values="pet", weight=3, group="creature", **_CALLED),
    Kind("called thing", nouns=words.THINGS, values="word", weight=1.5, group="thing", **_CALLED),
    *(Kind(f"age of {group}", nouns=nouns, values="small_number", weight=0.7, group=group,
           tell=("{O} {n} is {v} years old.",), ask=("How old is {o} {n}?", "What is the age of {o} {n}?", "How many years old is {o} {n}?"),
           answer=("{O} {n} is {v} years old.",), unknown="how old {o} {n} is", yes=("Is {o} {n} {v} years old?",),
           back=(("Which of my things is {v} years old?", "{O} {n} is {v} years old."),))
      for group, nouns in (("creature", words.ANIMALS), ("thing", words.THINGS))),
    Kind("stands near", nouns=words.THINGS, values="place", weight=2, group="thing",
         tell=("{O} {n} is near {v}.",), answer=("{O} {n} is near {v}.",), unknown="where {o} {n} is",
         ask=("Where is {o} {n}?", "Where can I find {o} {n}?", "Near which town is {o} {n}?", "At which place is {o} {n}?", "Where {do} {p} keep {o} {n}?"),
         yes=("Is {o} {n} near {v}?",), back=(("What is near {v}?", "{O} {n} is near {v}."), ("What of mine is near {v}?", "{O} {n} is near {v}."))),
    Kind("lies", nouns=words.THINGS, values="spot", weight=1.5, group="thing",
         tell=("{O} {n} is {v}.",), answer=("{O} {n} is {v}.",), unknown="where {o} {n} is",
         ask=("Where is {o} {n}?", "Where did {p} put {o} {n}?", "Where can I find {o} {n}?", "In which place is {o} {n} kept?"), yes=("Is {o} {n} {v}?",),
         back=(("What is {v}?", "{O} {n} is {v}."),)),
    Kind("coloured", nouns=words.THINGS, values="colour", weight=2, group="thing",
         tell=("{O} {n} is {v}.",), answer=("{O} {n} is {v}.",), unknown="what color {o} {n} is",
         ask=("What color is {o} {n}?", "What is the color of {o} {n}?", "Which color is {o} {n}?", "In which color is {o} {n} painted?",
              "What color does {o} {n} have?"),
         yes=("Is {o} {n} {v}?",), back=(("What of mine is {v}?", "{O} {n} is {v}."), ("Which thing is {v}?", "{O} {n} is {v}."))),
    Kind("material of", nouns=words.THINGS, values="material", weight=0.7, group="thing",
         tell=("{O} {n} is made of {v}.",), answer=("{O} {n} is made of {v}.",), unknown="what {o} {n} is made of",
         ask=("What is {o} {n} made of?", "Of what is {o} {n} made?", "Which material is {o} {n} made of?"), yes=("Is {o} {n} made of {v}?",),
         back=(("What is made of {v}?", "{O} {n} is made of {v}."),)),
    Kind("code of", nouns=words.THINGS, values="number4", weight=1.5, group="thing",
         tell=("The code of {o} {n} is {v}.",), answer=("The code of {o} {n} is {v}.",), unknown="what the code of {o} {n} is",
         ask=("What is the code of {o} {n}?", "What is {o} {n}'s code?", "Which code is it for {o} {n}?", "What code {do} {p} need for {o} {n}?"),
         yes=("Is {v} the code of {o} {n}?", "Is the code of {o} {n} {v}?"), back=(("What is the code {v} for?", "The code of {o} {n} is {v}."),)),
    *(Kind(f"who {did} it", nouns=words.THINGS, values="person", weight=0.5, group="thing",
           tell=("{v} " + did + " {o} {n}.",), answer=("{v} " + did + " {o} {n}.",), unknown="who " + did + " {o} {n}",
           ask=("Who " + did + " {o} {n}?", "Which person " + did + " {o} {n}?", "Who was it that " + did + " {o} {n}?", "Who has " + done + " {o} {n}?",
                "By whom was {o} {n} " + done + "?"),
           yes=("Did {v} " + do + " {o} {n}?", "Was it {v} who " + did + " {o} {n}?"), back=(("What did {v} " + do + "?", "{v} " + did + " {o} {n}."),))
      for do, did, done in (("borrow", "borrowed", "borrowed"), ("take", "took", "taken"), ("find", "found", "found"), ("buy", "bought", "bought"),
                            ("repair", "repaired", "repaired"), ("clean", "cleaned", "cleaned"), ("make", "made", "made"))),
    Kind("price of", nouns=words.THINGS, who="none", values="price", weight=2, group="goods",
         tell=("The {n} costs {v}.",), answer=("The {n} costs {v}.",), unknown="what the {n} costs",
         ask=("What does the {n} cost?", "How much does the {n} cost?", "How much is the {n}?", "What is the price of the {n}?", "How much do I pay for the {n}?",
              "For how much can I buy the {n}?"),
         yes=("Does the {n} cost {v}?", "Is {v} the price of the {n}?"), back=(("What costs {v}?", "The {n} costs {v}."), ("What can I buy for {v}?", "The {n} costs {v}."))),
    Kind("weight of", nouns=words.THINGS, who="none", values="weight", weight=0.7, group="goods",
         tell=("The {n} weighs {v}.",), answer=("The {n} weighs {v}.",), unknown="what the {n} weighs",
         ask=("What does the {n} weigh?", "How heavy is the {n}?", "What is the weight of the {n}?"), yes=("Does the {n} weigh {v}?",),
         back=(("What weighs {v}?", "The {n} weighs {v}."),)),
    *_secret("creature", words.ANIMALS, ("Who feeds {o} {n}?", "who feeds {o} {n}"), ("Where did {p} find {o} {n}?", "where {p} found {o} {n}"),
             ("Why is {o} {n} sad?", "why {o} {n} is sad"), ("How heavy is {o} {n}?", "how heavy {o} {n} is")),
    *_secret("thing", words.THINGS, ("Who sold {o} {n}?", "who sold {o} {n}"), ("Who knows {o} {n}?", "who knows {o} {n}"), ("Who uses {o} {n}?", "who uses {o} {n}"),
             ("When did {p} buy {o} {n}?", "when {p} bought {o} {n}"), ("Why did {p} buy {o} {n}?", "why {p} bought {o} {n}"),
             ("How big is {o} {n}?", "how big {o} {n} is"), ("Who mends {o} {n}?", "who mends {o} {n}")),
    *_secret("goods", words.THINGS, ("Who buys the {n}?", "who buys the {n}"), ("Who makes the {n}?", "who makes the {n}"), ("Where is the {n}?", "where the {n} is"),
             ("How old is the {n}?", "how old the {n} is"), ("Who offers the {n}?", "who offers the {n}")),
)

ABOUT_THE_REST = (
    Kind("owned", nouns=words.COUNTED, values="written_count", weight=2, group="counted",
         tell=("{P} own{z} {v} {n}.",), answer=("{P} own{z} {v} {n}.",), unknown="how many {n} {p} own{z}",
         ask=("How many {n} {do} {p} own?", "How many {n} {do} {p} have?", "What is the number of {o} {n}?", "How large is the number of {n} that {p} own{z}?"),
         yes=("{do} {p} own {v} {n}?", "{do} {p} have {v} {n}?"), back=(("What {do} {p} own {v} of?", "{P} own{z} {v} {n}."),)),
    *_secret("counted", words.COUNTED, ("Where are {o} {n}?", "where {o} {n} are"), ("Who made {o} {n}?", "who made {o} {n}"),
             ("What color are {o} {n}?", "what color {o} {n} are"), ("How old are {o} {n}?", "how old {o} {n} are")),
    *(Kind(f"{does} at", nouns=words.OPENED, who="none", values="clock", weight=weight, group="house",
           tell=("The {n} " + does + " at {v}.",), answer=("The {n} " + does + " at {v}.",), unknown="when the {n} " + does,
           ask=("When does the {n} " + do + "?", "What time does the {n} " + do + "?", "At which hour does the {n} " + do + "?", "What is the " + doing + " time of the {n}?",
                "How early does the {n} " + do + "?"),
           yes=("Does the {n} " + do + " at {v}?",), back=(("What " + does + " at {v}?", "The {n} " + does + " at {v}."),))
      for do, does, doing, weight in (("open", "opens", "opening", 2), ("close", "closes", "closing", 1))),
    *_secret("house", words.OPENED, ("Who owns the {n}?", "who owns the {n}"), ("Where is the {n}?", "where the {n} is"), ("Why is the {n} closed?", "why the {n} is closed"),
             ("Who built the {n}?", "who built the {n}")),
    Kind("put in", nouns=words.FILLED, values="spice", weight=2, group="filled",
         tell=("{P} put {v} in {o} {n}.",), answer=("{P} put {v} in {o} {n}.",), unknown="what {p} put in {o} {n}", who="self",
         ask=("What {do} {p} put in {o} {n}?", "What {do} {p} add to {o} {n}?", "What belongs in {o} {n}?", "With what {do} {p} make {o} {n}?", "What is in {o} {n}?"),
         yes=("{do} {p} put {v} in {o} {n}?", "Is there {v} in {o} {n}?"), back=(("Where {do} {p} put {v}?", "{P} put {v} in {o} {n}."),)),
    *_secret("filled", words.FILLED, ("Who cooks {o} {n}?", "who cooks {o} {n}"), ("Who eats {o} {n}?", "who eats {o} {n}"), ("How hot is {o} {n}?", "how hot {o} {n} is")),
    *(Kind(f"why {did}", who="self", values="cause", weight=0.05, group="deed",
           tell=("{P} " + did + " because {v}.",), answer=("{P} " + did + " because {v}.",), unknown="why {p} " + did,
           ask=("Why did {p} " + do + "?", "What was the reason that {p} " + did + "?", "For which reason did {p} " + do + "?", "How come {p} " + did + "?",
                "What was it that made {me} " + do + "?"),
           yes=("Did {p} " + do + " because {v}?",))
      for do, did in (deed.split("|") for deed in words.DEEDS)),
    Kind("a word", noun_pool="lower_word", who="none", values="gloss", weight=2.5, group="word",
         tell=("{an} is {v}.",), answer=("{an} is {v}.",), unknown="what {an} is",
         ask=("What is {an}?", "What does {n} mean?", "What is the meaning of the word {n}?", "What do people call {an}?", "What kind of thing is {an}?"),
         yes=("Is {an} {v}?",), back=(("What is {v} called?", "{an} is {v}."), ("Which word means {v}?", "{an} is {v}."))),
    *(Kind("word " + unknown, noun_pool="lower_word", who="none", values=NOBODY_KNOWS, weight=0.15, group="word", tell=(), ask=(ask,), answer=(), unknown=unknown)
      for ask, unknown in (("Who invented the {n}?", "who invented the {n}"), ("Where is the {n}?", "where the {n} is"), ("Who saw {an}?", "who saw {an}"))),
    Kind("a reply", nouns=words.SAYINGS, who="self", values="reply", weight=2, group="saying",
         tell=("When I say {n}, you answer: {v}.",), answer=("When you say {n}, I answer: {v}.",), unknown="how to answer when you say {n}",
         ask=("How do you answer when I say {n}?", "What do you say when I say {n}?", "What is your answer to {n}?", "I say {n}. What do you say?",
              "How should you reply to {n}?"),
         back=()),
    *(Kind("saying " + unknown, nouns=words.SAYINGS, who="self", values=NOBODY_KNOWS, weight=0.15, group="saying", tell=(), ask=(ask,), answer=(), unknown=unknown)
      for ask, unknown in (("Who told you {n}?", "who told me {n}"), ("Why do I say {n}?", "why you say {n}"))),
    Kind("who is", nouns=words.ROLES, who="self", values="person", weight=2, group="role",
         tell=("{O} {n} is {v}.",), answer=("{O} {n} is {v}.",), unknown="who {o} {n} is",
         ask=("Who is {o} {n}?", "What is {o} {n} called?", "What is the name of {o} {n}?", "Which person is {o} {n}?"),
         yes=("Is {v} {o} {n}?", "Is {o} {n} called {v}?"), back=(("Who is {v}?", "{O} {n} is {v}."),)),
    Kind("role lives", nouns=words.ROLES, who="self", values="place", weight=0.7, group="role",
         tell=("{O} {n} lives in {v}.",), answer=("{O} {n} lives in {v}.",), unknown="where {o} {n} lives",
         ask=("Where does {o} {n} live?", "In which city does {o} {n} live?", "In what town does {o} {n} live?"), yes=("Does {o} {n} live in {v}?",),
         back=(("Who lives in {v}?", "{O} {n} lives in {v}."),)),
    Kind("person lives", noun_pool="person", who="none", values="place", weight=2, group="person",
         tell=("{n} lives in {v}.",), answer=("{n} lives in {v}.",), unknown="where {n} lives",
         ask=("Where does {n} live?", "Which town does {n} live in?", "In which city does {n} live?", "In what place does {n} live?"), yes=("Does {n} live in {v}?",),
         back=(("Who lives in {v}?", "{n} lives in {v}."),)),
    Kind("person age", noun_pool="person", who="none", values="age", weight=0.5, group="person",
         tell=("{n} is {v} years old.",), answer=("{n} is {v} years old.",), unknown="how old {n} is", ask=("How old is {n}?", "What is the age of {n}?"),
         yes=("Is {n} {v} years old?",), back=(("Who is {v} years old?", "{n} is {v} years old."),)),
)

TAUGHT_KINDS = ABOUT_THINGS + ABOUT_THE_REST
