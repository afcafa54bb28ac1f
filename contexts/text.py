"""Showing texts from elsewhere, which may contain anything, to people."""


def printable(text: str) -> str:
    r"""The text on one line, safe for a terminal or a log: characters that could move the cursor,
    start a new line or change the text direction become escapes (`\n`, `\x1b`, `\u202e`)."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
