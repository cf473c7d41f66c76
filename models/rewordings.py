"""Other wordings of a question, made by rules: frames that a person puts around one without changing what is asked."""

from __future__ import annotations

from dataclasses import replace

from models.lesson import Lesson

FRAMES = ("I have a question. {question}", "Can you say {small}", "Please answer this: {question}", "Tell me something: {small}")
"""English. Where the first word is a name or "I", it keeps its capital."""
FIRST_WORDS = frozenset(("what", "where", "when", "why", "who", "whose", "whom", "which", "how", "is", "are", "was", "were", "do", "does",
                         "did", "can", "could", "has", "have", "will", "would"))


def reworded(lesson: Lesson, count: int) -> list[Lesson]:
    """`count` lessons with the same answer to another wording of the question, or as many as there are frames.

    [] where there is no question: a text, an answer to nothing, something said that does not end with a question mark.
    """
    if len(lesson.messages or ()) < 2 or not lesson.messages[-2].text.rstrip().endswith("?"):
        return []
    *before, asked, answer = lesson.messages
    first = asked.text.split(maxsplit=1)[0]
    small = asked.text[0].lower() + asked.text[1:] if first.lower() in FIRST_WORDS else asked.text
    texts = [frame.format(question=asked.text, small=small) for frame in FRAMES[:count]]
    return [replace(lesson, messages=(*before, replace(asked, text=text), answer)) for text in texts]
