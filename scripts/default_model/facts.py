"""Chats around facts: told and asked, asked without having been told, asked beside what was told, corrected, taken back.

What a model needs to be teachable: it answers from what was said, word for word; it says that it does not know what was not
said; the newer statement wins; a fact about the cat says nothing about the dog.
"""

from dataclasses import dataclass

from .kind import Fact, draw_fact
from .kinds_habits import HABIT_KINDS
from .kinds_people import PEOPLE_KINDS
from .kinds_things import THING_KINDS
from .kinds_world import WORLD_KINDS
from .names import Names
from .phrases import (
    ACK_ECHO,
    ACK_PLAIN,
    CORRECTIONS,
    LEADS,
    ONE_WORD,
    QUESTION_LEADS,
    RETRACTIONS,
    SUMMARY,
    SUMMARY_NONE,
    SYSTEM,
    UNKNOWN,
    american,
    lower_first,
)
from .subjects import ME, RELATIVES, draw_subject, third
from .values import Values

KINDS = PEOPLE_KINDS + HABIT_KINDS + THING_KINDS + WORLD_KINDS
_WEIGHTS = [kind.weight for kind in KINDS]
_ANY_PERSON = [kind for kind in PEOPLE_KINDS + HABIT_KINDS if kind.who == "any" and kind.name != "family name"]
_CONFUSED = (
    {"lives", "moved", "from", "born in"},
    {"own name", "nickname"},
    {"sport", "favourite"},
    {"instrument", "favourite"},
    {"language", "favourite"},
    {"hobby", "favourite", "likes to play"},
    {"number", "favourite"},
    {"birthday", "age"},
)
"""Kinds of which one may be read as the other: none of them is asked as unknown beside another."""


@dataclass(frozen=True)
class Check:
    """What the answer at `index` of a chat's messages must hold: `value`, or the admission that it is not known if None."""

    index: int
    key: tuple
    value: str | None


class FactChat:
    """One chat in the making. `messages` are pairs of role and text; `checks` say what the answers were made to hold."""

    def __init__(self, rng, fillers, held_out: bool = False):
        self.rng, self.fillers = rng, fillers
        self.names = Names(rng, held_out)
        self.values = Values(rng, self.names)
        self.messages: list[tuple[str, str]] = []
        self.checks: list[Check] = []
        self.told: dict[tuple, Fact] = {}

    # drawing facts ---------------------------------------------------------------------------------------------

    def fresh(self, kinds=None) -> Fact:
        """A fact about something that has not been told, of a kind that cannot be confused with one told of the same person."""
        for _ in range(50):
            kind = self.rng.choice(kinds) if kinds else self.rng.choices(KINDS, _WEIGHTS)[0]
            fact = draw_fact(self.rng, kind, self.values, draw_subject(self.rng, self.names, kind.who))
            if self._clear(fact):
                return fact
        raise RuntimeError("every fact has been told")

    def near(self, fact: Fact) -> Fact | None:
        """A fact beside the given one: the dog's name for the cat's, the sister's car for mine, the cat's age for its name."""
        kind, subject, noun = fact.kind, fact.subject, fact.noun
        for _ in range(20):
            roll = self.rng.random()
            if roll < 0.5 and (kind.nouns or kind.noun_pool):
                other = draw_fact(self.rng, kind, self.values, subject)
            elif roll < 0.75 and kind.who in ("any", "third"):
                other = draw_fact(self.rng, kind, self.values, draw_subject(self.rng, self.names, kind.who), noun)
            elif kind.group and roll < 0.9:
                family = self.rng.choice([k for k in KINDS if k.group == kind.group])
                other = draw_fact(self.rng, family, self.values, subject, noun)
            elif kind.who == "any":
                other = draw_fact(self.rng, self.rng.choice(_ANY_PERSON), self.values, subject)
            else:
                continue
            if other.key != fact.key and self._clear(other):
                return other
        return None

    def _clear(self, fact: Fact) -> bool:
        spoken = {other.value for other in self.told.values()}
        if fact.key in self.told or fact.subject.key in spoken or fact.noun in spoken or fact.value in spoken:
            return False
        mine = fact.kind.who != "none"
        for other in self.told.values():
            same_person = mine and other.kind.who != "none" and other.subject.model["p"] == fact.subject.model["p"]
            kinds = {other.kind.name, fact.kind.name}
            if same_person and len(kinds) == 2 and any(kinds <= group for group in _CONFUSED):
                return False
            if other.kind.name == fact.kind.name and {other.subject.key, fact.subject.key} == {"I", "we"}:
                return False
            if other.subject.key == fact.value or other.noun == fact.value:
                return False
        return True

    # saying things ---------------------------------------------------------------------------------------------

    def exchange(self, user: str, answer: str, key: tuple = (), value: str | None = None, check: bool = False):
        self.messages += [("user", user), ("assistant", answer)]
        if check:
            self.checks.append(Check(len(self.messages) - 1, key, value))

    def answer(self, fact: Fact) -> str:
        """The usual answer, now and then another."""
        answers = fact.kind.answer
        return fact.say(answers[0] if self.rng.random() < 0.92 else self.rng.choice(answers), "model")

    def unknown(self, fact: Fact) -> str:
        template = self.rng.choices(list(UNKNOWN), list(UNKNOWN.values()))[0]
        return template.format(fact.phrase(fact.kind.unknown, "model"))

    def question(self, text: str) -> str:
        """The question as people type it: mostly plain, sometimes led in, sometimes careless."""
        roll = self.rng.random()
        if roll < 0.14:
            lead = self.rng.choice(QUESTION_LEADS)
            return lead + (lower_first(text) if lead.endswith((", ", "And ", "So ")) else text)
        if roll < 0.19:
            return text.rstrip("?.")
        if roll < 0.24 and text == text.capitalize():
            return text.lower().rstrip("?")
        return text

    def filler(self):
        self.exchange(*self.rng.choice(self.fillers))

    def tell(self, *facts: Fact, ask: bool = False):
        """The user tells facts; the assistant takes note. With `ask`, the first is asked in the same message."""
        said = [fact.say(self.rng.choice(fact.kind.tell), "user") for fact in facts]
        text = said[0]
        for more in said[1:]:
            text = text[:-1] + " and " + lower_first(more) if self.rng.random() < 0.4 and text.endswith(".") else text + " " + more
        lead = self.rng.choice(LEADS) if self.rng.random() < 0.35 else ""
        text = lead + (lower_first(text) if lead.endswith((", ", "that ")) else text)
        for fact in facts:
            self.told[fact.key] = fact
        first = facts[0]
        if ask:
            question = first.say(self.rng.choice(first.kind.ask), "user")
            self.exchange(text + " " + question, self.answer(first), first.key, first.value, True)
        else:
            self.exchange(text, self.acknowledge(*facts))

    def acknowledge(self, *facts: Fact) -> str:
        if len(facts) == 1 and facts[0].kind.name == "own name" and self.rng.random() < 0.5:
            return self.rng.choice(("Hello {v}. Nice to meet you.", "Nice to meet you, {v}.", "Hello, {v}. How can I help you?")).format(
                v=facts[0].value
            )
        if self.rng.random() < 0.5:
            echo = " ".join(fact.say(fact.kind.answer[0], "model") for fact in facts)
            template = self.rng.choice(ACK_ECHO)
            return template.format(lower_first(echo) if "that {}" in template else echo)
        return self.rng.choice(ACK_PLAIN)

    def ask(self, fact: Fact):
        """Asks what was told."""
        question = fact.say(self.rng.choice(fact.kind.ask), "user")
        if self.rng.random() < 0.04:
            self.exchange(question + self.rng.choice(ONE_WORD), fact.say("{V}.", "model"), fact.key, fact.value, True)
        else:
            self.exchange(self.question(question), self.answer(fact), fact.key, fact.value, True)

    def ask_unknown(self, fact: Fact, then_tell: float = 0.0):
        """Asks what was not told; with the chance `then_tell` the user then tells it."""
        if fact.kind.yes and self.rng.random() < 0.12:
            question = fact.say(self.rng.choice(fact.kind.yes), "user")
        elif fact.kind.back and fact.kind.back[0][0] == "Who is {v}?" and fact.kind.values in ("person", "pet") and self.rng.random() < 0.1:
            answer = self.rng.choice(list(UNKNOWN)).format(f"who {fact.value} is")
            return self.exchange(f"Who is {fact.value}?", answer, fact.key, None, True)
        else:
            question = fact.say(self.rng.choice(fact.kind.ask), "user")
        self.exchange(self.question(question), self.unknown(fact), fact.key, None, True)
        if self.rng.random() < then_tell:
            templates = fact.kind.short if fact.kind.short and self.rng.random() < 0.6 else fact.kind.tell
            self.told[fact.key] = fact
            echo = fact.say(fact.kind.answer[0], "model")
            self.exchange(
                fact.say(self.rng.choice(templates), "user"),
                self.rng.choice(("Thank you. {}", "Thank you. {}", "I see. {}", "{} I will remember that.")).format(echo),
                fact.key,
                fact.value,
                True,
            )
        return None

    def yes_no(self, fact: Fact):
        """Asks whether it is so, with the value told or another."""
        if not fact.kind.yes:
            return self.ask(fact)
        template, answer = self.rng.choice(fact.kind.yes), fact.phrase(fact.kind.answer[0], "model")
        right = self.rng.random() < 0.5
        other = fact.value
        while not right and other == fact.value:
            other = draw_fact(self.rng, fact.kind, self.values, fact.subject, fact.noun).value
        answer = ("Yes, " if right else "No, ") + lower_first(answer)
        return self.exchange(self.question(fact.say(template, "user", other)), answer, fact.key, fact.value, True)

    def reverse(self, fact: Fact):
        """Asks for the thing by the value; the plain question where two facts share the value or the kind has no such question."""
        if not fact.kind.back or sum(other.value == fact.value for other in self.told.values()) > 1:
            return self.ask(fact)
        question, answer = self.rng.choice(fact.kind.back)
        return self.exchange(self.question(fact.say(question, "user")), fact.say(answer, "model"), fact.key, fact.value, True)

    def correct(self, fact: Fact) -> Fact:
        """The user takes the value back and tells a newer one."""
        newer = fact
        while newer.value == fact.value:
            newer = draw_fact(self.rng, fact.kind, self.values, fact.subject, fact.noun)
        template = self.rng.choice(CORRECTIONS)
        tell = newer.say(fact.kind.tell[0], "user")
        self.told[fact.key] = newer
        thanks = self.rng.choice(("Thank you. {}", "I see. {}", "Thank you for the correction. {}", "Sorry. {}", "All right. {}"))
        self.exchange(
            template.format(old=fact.value, new=newer.value, tell=tell, lower=lower_first(tell)),
            thanks.format(newer.say(fact.kind.answer[0], "model")),
            fact.key,
            newer.value,
            True,
        )
        return newer

    def retract(self, fact: Fact):
        """The user takes a fact back; it is not known any more."""
        del self.told[fact.key]
        request, reply = self.rng.choice(RETRACTIONS)
        self.exchange(request.format(fact.phrase(fact.kind.unknown, "user")), reply.format(fact.phrase(fact.kind.unknown, "model")))
        for _ in range(self.rng.choice((0, 0, 1))):
            self.filler()
        self.exchange(self.question(fact.say(self.rng.choice(fact.kind.ask), "user")), self.unknown(fact), fact.key, None, True)

    def summary(self):
        """The user asks what is known about them."""
        mine = [fact for fact in self.told.values() if fact.kind.who != "none" and fact.subject.key == "I"]
        answer = " ".join(fact.say(fact.kind.answer[0], "model") for fact in mine[:5]) if mine else SUMMARY_NONE
        self.exchange(self.rng.choice(SUMMARY), answer)

    def two_steps(self):
        """A name is told for someone, something is told by the name, and asked of the someone."""
        relative = self.rng.choice(RELATIVES)
        name = next(kind for kind in KINDS if kind.name == "family name")
        person = draw_fact(self.rng, name, self.values, ME, relative)
        kind = self.rng.choice(_ANY_PERSON)
        by_name = draw_fact(self.rng, kind, self.values, third(person.value))
        if not (self._clear(person) and self._clear(by_name)) or person.value == by_name.value:
            return
        by_role = Fact(kind, third("my " + relative, "your " + relative), by_name.noun, by_name.value)
        if by_role.key in self.told:
            return
        self.tell(person)
        self.tell(by_name)
        self.told[by_role.key] = by_role
        self.ask(by_role)

    def system(self, count: int):
        """A system message that holds so many facts."""
        said = []
        for _ in range(count):
            fact = self.fresh()
            self.told[fact.key] = fact
            said.append(fact.say(fact.kind.tell[0], "system"))
        self.messages.append(("system", self.rng.choice(SYSTEM) + " ".join(said)))

    def result(self) -> tuple[list[tuple[str, str]], list[Check]]:
        """The messages and checks, in American spelling in three of ten chats."""
        if self.rng.random() < 0.3:
            return (
                [(role, american(text)) for role, text in self.messages],
                [Check(check.index, check.key, check.value and american(check.value)) for check in self.checks],
            )
        return self.messages, self.checks
