"""Whom a fact is about, in the two ways it is said: by the user ("my sister") and by the assistant ("your sister")."""
from dataclasses import dataclass

RELATIVES = "sister,brother,mother,father,aunt,uncle,cousin,grandmother,grandfather,wife,husband,son,daughter,best friend,neighbour,teacher,boss".split(",")

_I = dict(p="I", o="my", me="me", do="do", am="am", was="was", has="have", z="", es="", ies="y", said="I have")
_YOU = dict(p="you", o="your", me="you", do="do", am="are", was="were", has="have", z="", es="", ies="y", said="you have")
_WE = dict(_I, p="we", o="our", me="us", am="are", was="were")


@dataclass(frozen=True)
class Subject:
    """The forms of a person in templates: {p} I, {o} my, {me} me, and the verbs {do} {am} {was} {has} and endings {z} {es} that agree."""

    key: str
    user: dict
    model: dict


def _third(user: str, model: str) -> Subject:
    def forms(who):
        own = who + "'s"
        return dict(p=who, o=own, me=who, do="does", am="is", was="was", has="has", z="s", es="es", ies="ies", said=who + " has")
    return Subject(user, forms(user), forms(model))


ME = Subject("I", _I, _YOU)
US = Subject("we", _WE, _YOU)


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
        return _third("my " + relative, "your " + relative)
    name = names.draw("person")
    return _third(name, name)
