"""The one check that every text passes before it is encoded."""

from __future__ import annotations


def require_unicode(text: str, what: str = "the text") -> str:
    """Return `text` if it can be written as UTF-8; ValueError where it holds a surrogate.

    JSON lets lone surrogates through ("\\ud800"), and a file that is not UTF-8 is read with its broken bytes as
    surrogates, so that both are caught here instead of deep inside an encoder.
    """
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        code = ord(text[error.start])
        raise ValueError(
            f"{what} is not valid Unicode at character {error.start + 1} "
            f"(U+{code:04X}: half a surrogate pair or a byte that is not UTF-8)"
        ) from None
    return text
