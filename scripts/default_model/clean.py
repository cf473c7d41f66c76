"""What text may enter the mix: plain spelling of spaces and quotes, nothing rude, nothing that points at a person."""

import re

_TYPES = str.maketrans(
    {
        "\u2018": "'",
        "\u2019": "'",
        "\u201a": "'",
        "\u201b": "'",
        "\u2032": "'",
        "`": "'",
        "\u00b4": "'",
        "\u201c": '"',
        "\u201d": '"',
        "\u201e": '"',
        "\u2033": '"',
        "\u00ab": '"',
        "\u00bb": '"',
        "\u2010": "-",
        "\u2011": "-",
        "\u2012": "-",
        "\u2013": " - ",
        "\u2014": " - ",
        "\u2015": " - ",
        "\u2026": "...",
        "\u00a0": " ",
        "\u2009": " ",
        "\u202f": " ",
        "\t": " ",
        "\ufeff": "",
        "\u200b": "",
        "\u00ad": "",
    }
)
_SPACES = re.compile(r" {2,}")
_LINE_SPACES = re.compile(r" *\n *")
_LINES = re.compile(r"\n{3,}")

_RUDE = re.compile(
    r"\b(?:f+u+c+k\w*|s+h+i+t+\w*|bullsh\w*|bitch\w*|bastard\w*|asshole\w*|arsehole\w*|dumbass|badass|jackass|cunt\w*|dick(?:head)?s?"
    r"|cock(?:sucker)?s?|pussy|whore\w*|slut\w*|sex\w*|porn\w*|nude\w*|naked|horny|boob\w*|penis\w*|vagina\w*|rape[ds]?|rapist\w*"
    r"|nigg\w*|fag(?:got)?s?|retard\w*|nazi\w*|hitler|suicid\w*|kill(?:ed|ing)? (?:my|your|him|her)self|genital\w*|orgasm\w*|erotic\w*"
    r"|crap|damn\w*|wtf|stfu|lmao|lmfao|pissed|cocaine|heroin|meth|hooker\w*|stripper\w*|idiots?|moron\w*|dumb|stupid|trump|obama"
    r"|biden|clinton|putin|terroris\w*|murder\w*|abort\w*|pregnan\w*|weed|marijuana|drunk|gay|lesbian\w*|trans|racis\w*|hell)\b",
    re.I,
)
_PERSONAL = re.compile(
    r"\S@\S|https?:|www\.|\.com\b|\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}|\d{7,}|\bsnapchat\b|\binstagram\b|\bfacebook\b|\btinder\b|\bwhatsapp\b",
    re.I,
)
_ALLOWED = re.compile(r"[\x20-\x7e\n]*\Z")
_PREFIX = re.compile(r"\b(?:User|Assistant|System|Human|AI|Bot):", re.I)

_ABOUT_ME = re.compile(
    r"\b(?:what|who|where|when|which|whose|how (?:old|many|much|tall|long|far)|do you know|tell me|can you tell"
    r"|is|are|does|did|guess|remember)\b"
    r"[^.?!]*\b(?:my|mine|our|(?:am|was|do|did|have) i|me and|about me)\b",
    re.I,
)


def normalise(text: str) -> str:
    """One kind of quote and dash, single spaces, no spaces at the ends of lines, at most one empty line."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").translate(_TYPES)
    return _LINES.sub("\n\n", _LINE_SPACES.sub("\n", _SPACES.sub(" ", text))).strip()


def acceptable(text: str) -> bool:
    """Whether the normalised text is fit for the mix: not empty, ASCII, not rude, no address or number of a person, no role's prefix."""
    return bool(text) and bool(_ALLOWED.match(text)) and not (_RUDE.search(text) or _PERSONAL.search(text) or _PREFIX.search(text))


def asks_about_speaker(text: str) -> bool:
    """Whether a user's text asks about the user ("What is my name?").

    Sampled chats answer such questions with inventions; the model must learn to say that it does not know, so they are left out.
    """
    return bool(_ABOUT_ME.search(text))


def repeats(text: str) -> bool:
    """Whether three words in a row come again in the text, as in a sampled text that goes in circles."""
    words = re.findall(r"[a-z']+", text.lower())
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(triples)) < len(triples)
