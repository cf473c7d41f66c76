# ruff: noqa: SIM905, E501 - lists of words are written as text, in long lines
"""Whom a fact is about, in the two ways it is said: by the user ("my sister") and by the assistant ("your sister")."""

from dataclasses import dataclass

RELATIVES = "sister,brother,mother,father,aunt,uncle,cousin,grandmother,grandfather,wife,husband,son,daughter,best friend,neighbour,teacher,boss".split(
    ","
)

_I = {"p": "I", "o": "my", "me": "me", "do": "do", "am": "am", "was": "was", "has": "have", "z": "", "es": ""}
_YOU = {"p": "you", "o": "your", "me": "you", "do": "do", "am": "are", "was": "were", "has": "have", "z": "", "es": ""}
_WE = dict(_I, p="we", o="our", me="us", am="are", was="were")


@dataclass(frozen=True)
class Subject:
    """The forms of a person in templates: {p} I, {o} my, {me} me, and the verbs {do} {am} {was} {has} and endings {z} {es} that agree."""

    key: str
    user: dict
    model: dict
    system: dict
    """As a system message says it: "the user's sister"."""


def _forms(who: str) -> dict:
    own = who + "'s"
    return {"p": who, "o": own, "me": who, "do": "does", "am": "is", "was": "was", "has": "has", "z": "s", "es": "es"}


def third(user: str, model: str | None = None) -> Subject:
    """A third person, "my sister" to the user and "your sister" to the assistant, or a name to both."""
    model = model or user
    system = "the user's " + model.removeprefix("your ") if model.startswith("your ") else model
    return Subject(user, _forms(user), _forms(model), _forms(system))


ME = Subject("I", _I, _YOU, _forms("the user"))
US = Subject("we", _WE, _YOU, _forms("the user"))


def draw_subject(rng, names, who: str) -> Subject:
    """A subject for a kind of facts that is about "any" person, only the "self", only "third" persons, or "none"."""
    if who in ("self", "none"):
        return ME
    roll = rng.random()
    if who == "any" and roll < 0.62:
        return ME
    if who == "any" and roll < 0.66:
        return US
    if roll < 0.82:
        relative = rng.choice(RELATIVES)
        return third("my " + relative, "your " + relative)
    name = names.draw("person")
    return third(name)
