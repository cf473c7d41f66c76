"""Who speaks in a conversation, and with which tokens a turn of each begins and ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

Piece = str | tuple[int, ...]
"""The beginning or end of a turn: a text, or token ids that no text can write."""


@dataclass(frozen=True)
class Role:
    """One speaker. ValueError where the name is empty or has blanks, or a piece is neither text nor token ids."""

    name: str
    prefix: Piece
    """Opens a turn, e.g. "User:". A list of ids is taken as a tuple."""
    suffix: Piece
    """Closes a turn, e.g. "\\n\\n"."""
    answers: bool = False
    """Whether the model writes the turns of this role, and so learns from them."""

    def __post_init__(self) -> None:
        if not self.name or any(letter.isspace() for letter in self.name):
            raise ValueError(f"a role's name must be one word, not {self.name!r}")
        for field in ("prefix", "suffix"):
            object.__setattr__(self, field, _piece(getattr(self, field), f"the {field} of role {self.name!r}"))

    @property
    def joint(self) -> str:
        """What stands between prefix and text: a space after a word ("User: hello"), nothing after blanks or token ids."""
        ends_in_word = isinstance(self.prefix, str) and self.prefix and not self.prefix[-1].isspace()
        return " " if ends_in_word else ""

    def describe(self) -> dict:
        """The role as JSON."""
        return {"prefix": _as_json(self.prefix), "suffix": _as_json(self.suffix), "answers": self.answers}


class Roles(Mapping[str, Role]):
    """The roles of a conversation by name, in order. ValueError where two share a name or none answers."""

    def __init__(self, roles: Iterable[Role]):
        found = tuple(roles)
        self._roles = {role.name: role for role in found}
        if len(self._roles) != len(found):
            twice = next(name for name in self._roles if sum(role.name == name for role in found) > 1)
            raise ValueError(f"two roles are called {twice!r}")
        if not any(role.answers for role in found):
            raise ValueError("no role answers: one of the roles needs answers = true")

    @classmethod
    def from_description(cls, described: Mapping[str, Mapping]) -> Roles:
        """The roles that `describe` wrote."""
        return cls(Role(name=name, **fields) for name, fields in described.items())

    def __getitem__(self, name: str) -> Role:
        return self._roles[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)

    def __repr__(self) -> str:
        return f"Roles({list(self._roles.values())})"

    @property
    def answering(self) -> Role:
        """The role that the model speaks as: the first that answers."""
        return next(role for role in self.values() if role.answers)

    @property
    def asking(self) -> Role:
        """The role that a question is put as: "user", else the last that does not answer, else the one that does."""
        others = [role for role in self.values() if not role.answers]
        return self.get("user") or (others[-1] if others else self.answering)

    def named(self, name: str) -> Role:
        """The role of that name; ValueError naming the roles there are."""
        if name not in self:
            raise ValueError(f"there is no role {name!r}; the roles are {', '.join(self)}")
        return self[name]

    def describe(self) -> dict[str, dict]:
        """The roles as JSON, in order: {name: {"prefix", "suffix", "answers"}}."""
        return {name: role.describe() for name, role in self.items()}

    def difference(self, other: Roles) -> str | None:
        """The first thing in which `other` would write a conversation differently, in one sentence; None if nothing."""
        for name in (*self, *(name for name in other if name not in self)):
            if name not in other or name not in self:
                place = "here" if name in self else "there"
                return f"the role {name!r} exists only {place}"
            here, there = self[name].describe(), other[name].describe()
            for field in here:
                if here[field] != there[field]:
                    return f"the role {name!r} has {field} {here[field]!r} here and {there[field]!r} there"
        if self.answering.name != other.answering.name:
            return f"the answering role is {self.answering.name!r} here and {other.answering.name!r} there"
        return None


def _piece(value: object, what: str) -> Piece:
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(type(token_id) is int and token_id >= 0 for token_id in value):
        return tuple(value)
    raise ValueError(f"{what} must be a text or a list of token ids, not {value!r}")


def _as_json(piece: Piece) -> str | list[int]:
    return piece if isinstance(piece, str) else list(piece)


G1_ROLES = Roles(
    (
        Role("system", "System:", "\n\n"),
        Role("user", "User:", "\n\n"),
        Role("assistant", "Assistant:", "\n\n", answers=True),
    )
)
"""The text form of the RWKV-7 G1 models: `User: …\\n\\nAssistant: …\\n\\n`."""

SPECIAL_TOKEN_ROLES = Roles(
    (
        Role("system", (65532,), (65533,)),
        Role("user", (65530,), (65533,)),
        Role("assistant", (65531,), (65533,), answers=True),
    )
)
"""The scheme of the original RWKV-Ouroboros, on rows of the World vocabulary that stand for no text, so that nothing
a user writes can open or close a turn: 65530 begins the user's, 65531 the assistant's, 65532 the system's, 65533 ends
any. 65534 and 65535 are free. A model must be taught them first: their rows are untrained in released files."""
