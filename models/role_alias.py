"""The names that other people's files use for the roles."""

from __future__ import annotations

from models.role import Role, Roles

ALIASES = {
    "human": "user",
    "prompter": "user",
    "bot": "assistant",
    "ai": "assistant",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "developer": "system",
}


def find_role(roles: Roles, name: str) -> Role | None:
    """The role meant by `name`: of that name, of that name in another case, or known by an alias; None if there is none.

    "assistant", where no role is called so, is the one that answers.
    """
    if name in roles:
        return roles[name]
    folded = name.casefold()
    by_fold = {role.name.casefold(): role for role in roles.values()}
    meant = by_fold.get(folded) or by_fold.get(ALIASES.get(folded, ""))
    if meant is None and ALIASES.get(folded, folded) == "assistant":
        return roles.answering
    return meant
