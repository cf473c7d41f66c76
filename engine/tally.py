"""What was done since the start, in numbers: for those who watch the server."""

from __future__ import annotations

from engine.ticket import Ticket


class Tally:
    """Answers are counted as their tickets end, under the tickets' guard, lessons on the owner thread; read from any thread."""

    def __init__(self):
        self.tokens_read = 0
        self.tokens_written = 0
        self.lessons_learned = 0
        self.lessons_refused = 0
        self.training_seconds = 0.0
        self.last_loss: float | None = None

    def note(self, ticket: Ticket) -> None:
        """A ticket ended."""
        result = ticket.outcome or {}
        for answer in result.get("answers", [result]):
            usage = answer.get("usage", {})
            self.tokens_read += usage.get("prompt_tokens", 0)
            self.tokens_written += usage.get("completion_tokens", 0)

    def lesson(self, result: dict) -> None:
        """A lesson was learned or refused, whoever waited for it."""
        self.training_seconds += result["seconds"]
        if result["learned"]:
            self.lessons_learned += 1
            self.last_loss = result["loss_after"]
        else:
            self.lessons_refused += 1
