"""Prompts that wait for a place among the open answers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from engine.generation import Generation


class Waiting:
    """Those of sessions and all others take turns, each kind in the order in which they came.

    A session has one prompt at most, so no session waits for a second one of another; and however many prompts a client sends
    without a session, one of them at most is let in between two sessions.
    """

    def __init__(self):
        self._of_sessions: deque[Generation] = deque()
        self._others: deque[Generation] = deque()
        self._last = self._others

    def __len__(self) -> int:
        return len(self._of_sessions) + len(self._others)

    def __iter__(self) -> Iterator[Generation]:
        return iter([*self._of_sessions, *self._others])

    def add(self, leader: Generation, of_session: bool = False) -> None:
        """One more, with those that answer the same prompt."""
        (self._of_sessions if of_session else self._others).append(leader)

    def remove(self, leader: Generation) -> None:
        """It waits no longer."""
        (self._of_sessions if leader in self._of_sessions else self._others).remove(leader)

    def next(self) -> Generation:
        """Whose turn it is; IndexError where nobody waits."""
        first, second = (self._others, self._of_sessions) if self._last is self._of_sessions else (self._of_sessions, self._others)
        self._last = first or second
        return self._last.popleft()
