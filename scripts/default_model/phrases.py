"""The fixed wordings around facts: how one leads in, takes note, corrects, admits not to know; and how a sentence is lowered or respelt."""

import re

UNKNOWN = {"I do not know {}. Please tell me.": 88, "I do not know {}. Can you tell me?": 6, "You have not told me {}. Please tell me.": 6}
"""Admissions that something is not known, with their weights. One is by far the most common, so that it can be relied on."""

ACK_ECHO = (
    "I see. {}",
    "Thank you. {}",
    "{} I will remember that.",
    "I will remember that {}",
    "Good to know. {}",
    "All right. {}",
    "Understood. {}",
    "Nice! {}",
    "{}",
)
ACK_PLAIN = (
    "I will remember that.",
    "Thank you for telling me.",
    "I see.",
    "Good to know.",
    "All right, I will remember it.",
    "Thank you, I have noted it.",
    "That is good to know. Thank you.",
    "Okay, I will keep it in mind.",
    "Understood.",
    "How nice! I will remember that.",
)
LEADS = (
    "Please remember: ",
    "Please remember that ",
    "By the way, ",
    "Just so you know, ",
    "I want to tell you something. ",
    "Remember that ",
    "You should know that ",
    "Hello! ",
    "Hi. ",
    "Did you know that ",
    "Guess what? ",
    "Here is something about me. ",
    "Note: ",
    "Well, ",
    "I told my friend that ",
    "Let me tell you that ",
    "For your information, ",
    "Learn this: ",
    "Oh, ",
    "Today I can tell you that ",
)
QUESTION_LEADS = (
    "And ",
    "So ",
    "Now, ",
    "Tell me, ",
    "Hey, ",
    "One more question. ",
    "A question: ",
    "Please, ",
    "Do you remember? ",
    "Okay. ",
    "By the way, ",
    "Thanks. ",
)
ONE_WORD = (" Answer with the value only.", " Just the answer, please.", " Answer in short.", " Only the answer.")
CORRECTIONS = (
    "No, it is not {old}, it is {new}. {tell}",
    "Sorry, I made a mistake. {tell}",
    "No, that is wrong. {tell}",
    "That has changed. {tell}",
    "Not {old}. {tell}",
    "I was wrong: {lower}",
    "Actually, {lower}",
    "Correction: {lower}",
    "It is not {old} any more. {tell}",
    "No. {tell}",
    "Things have changed: now {lower}",
    "Forget {old}. {tell}",
)
RETRACTIONS = (
    ("Please forget {}.", "All right. I have forgotten {}."),
    ("Forget {}.", "All right, I have forgotten it."),
    ("Do not remember {}, please.", "All right. I will not remember {}."),
    ("What I said about {} was not true.", "Thank you. I will not use it."),
)
SUMMARY = (
    "What do you know about me?",
    "Tell me what you know about me.",
    "What have I told you about me?",
    "What do you remember about me?",
    "Tell me something about me.",
)
SUMMARY_NONE = "I do not know anything about you yet. Please tell me something."
SYSTEM = (
    "",
    "You are a helpful assistant. ",
    "Facts about the user: ",
    "You are a friendly assistant. Remember: ",
    "Here is what you know. ",
    "Notes: ",
    "Known facts: ",
    "Memory: ",
)

_LOWERED = frozenset(
    [
        "My",
        "Our",
        "The",
        "A",
        "An",
        "In",
        "On",
        "At",
        "There",
        "It",
        "Last",
        "For",
        "What",
        "Today",
        "Yesterday",
        "People",
        "This",
        "That",
        "We",
        "Every",
        "One",
        "Your",
        "You",
        "Because",
        "If",
        "Is",
        "Do",
        "Does",
        "Did",
        "Am",
        "Are",
        "Was",
        "Will",
        "Where",
        "When",
        "Who",
        "Whom",
        "Whose",
        "Which",
        "How",
        "Why",
        "Can",
        "Tell",
        "By",
        "From",
        "Say",
        "Because",
    ]
)
_AMERICAN = (
    ("colour", "color"),
    ("Colour", "Color"),
    ("favourite", "favorite"),
    ("Favourite", "Favorite"),
    ("neighbour", "neighbor"),
    ("Neighbour", "Neighbor"),
    ("grey", "gray"),
    ("Grey", "Gray"),
    ("metres", "meters"),
    ("theatre", "theater"),
)
_FIRST = re.compile(r"[A-Za-z]+")


def lower_first(text: str) -> str:
    """The text with a small first letter, for the middle of a sentence; names and "I" keep theirs."""
    first = _FIRST.match(text)
    return text[:1].lower() + text[1:] if first and first.group() in _LOWERED else text


def american(text: str) -> str:
    """The American spelling of the few words that the templates use."""
    for british, other in _AMERICAN:
        text = text.replace(british, other)
    return text
