"""One turn of a conversation."""

from __future__ import annotations

import math
from dataclasses import dataclass

from models.unicode_text import require_unicode


@dataclass(frozen=True)
class Message:
    """What one role said, and how much its tokens weigh in training.

    ValueError where the text is not valid Unicode or the weight is negative or not finite. Whether the role exists and
    the text is empty is the template's to say.
    """

    role: str
    text: str
    weight: float = 1.0
    """Multiplies the loss of the turn's tokens; 0 leaves them out."""
    no_loss: bool = False
    """Read but never trained, whatever the weight."""
    rejected: str | None = None
    """What was said instead and should not have been: the objectives dpo and unlikelihood push it away."""

    def __post_init__(self) -> None:
        for field, kind in (("role", str), ("text", str), ("no_loss", bool)):
            if not isinstance(getattr(self, field), kind):
                raise ValueError(f"a message's {field} must be a {kind.__name__}, not {getattr(self, field)!r:.80}")
        if isinstance(self.weight, bool) or not isinstance(self.weight, (int, float)):
            raise ValueError(f"a message's weight must be a number, not {self.weight!r:.80}")
        if not (math.isfinite(self.weight) and self.weight >= 0):
            raise ValueError(f"a message's weight must be 0 or more and finite, not {self.weight!r}")
        require_unicode(self.text, "the text of a message")
        if self.rejected is not None:
            if not isinstance(self.rejected, str):
                raise ValueError(f"a message's rejected must be a str, not {self.rejected!r:.80}")
            require_unicode(self.rejected, "the rejected text of a message")
