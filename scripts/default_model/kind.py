"""A kind of fact: how it is told, asked, answered, and not known."""

from dataclasses import dataclass, field

from .subjects import Subject
from .values import with_article


@dataclass(frozen=True)
class Kind:
    """Templates of one kind of fact.

    In them {p} {o} {me} {do} {am} {was} {has} {z} {es} are the person's forms (subjects.py; {P} and {O} at the start of a sentence),
    {n} the thing asked about, {an} the same with its article, {v} the value. `tell` and `ask` are said by the user, `answer` by the
    assistant; `unknown` completes "I do not know ...". The first of `answer` is the usual one.
    """

    name: str
    tell: tuple[str, ...]
    ask: tuple[str, ...]
    answer: tuple[str, ...]
    unknown: str
    values: str | dict = "word"
    """The pool of the values, or a pool for each noun."""
    who: str = "any"
    """Whom it may be about: "any", "self", "third" or "none" (nobody)."""
    nouns: tuple[str, ...] = ()
    noun_pool: str = ""
    """A pool that {n} is drawn from, instead of `nouns`."""
    short: tuple[str, ...] = ()
    """Ways to tell the value alone after "Please tell me."."""
    yes: tuple[str, ...] = ()
    """Questions that are answered with yes or no."""
    back: tuple[tuple[str, str], ...] = ()
    """Questions the other way round, that give the value, with their answers."""
    weight: float = 1.0
    group: str = field(default="")
    """Kinds of one group share their nouns: near facts are taken from them."""


@dataclass(frozen=True)
class Fact:
    """A kind with its subject, its noun ("" if it has none) and a value."""

    kind: Kind
    subject: Subject
    noun: str
    value: str

    @property
    def key(self) -> tuple[str, str, str]:
        """What the fact is about; two facts with one key are the same fact, or one of them is out of date."""
        return self.kind.name, self.subject.key if self.kind.who != "none" else "", self.noun

    def say(self, template: str, by: str, value: str | None = None) -> str:
        """The template filled in and capitalised, as it is said by the "user", the "model" or a "system" message."""
        return _capital(self.phrase(template, by, value))

    def phrase(self, template: str, by: str, value: str | None = None) -> str:
        """The template filled in, for the middle of a sentence."""
        forms = dict(getattr(self.subject, by))
        value = self.value if value is None else value
        forms.update(
            P=_capital(forms["p"]),
            O=_capital(forms["o"]),
            n=self.noun,
            N=_capital(self.noun),
            v=value,
            V=_capital(value),
            an=with_article(self.noun) if self.noun else "",
        )
        return template.format(**forms)


def draw_fact(rng, kind: Kind, values, subject: Subject, noun: str | None = None) -> Fact:
    """A fact of the kind with a fresh value; `noun` is drawn unless given."""
    if noun is None:
        noun = values.draw(kind.noun_pool) if kind.noun_pool else rng.choice(kind.nouns) if kind.nouns else ""
    pool = kind.values[noun] if isinstance(kind.values, dict) else kind.values
    return Fact(kind, subject, noun, values.draw(pool))


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
