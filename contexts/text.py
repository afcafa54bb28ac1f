"""Texts from elsewhere, which may hold anything, where people read them."""


def printable(text: str) -> str:
    r"""The text on one line, safe for a terminal or a log: what could move the cursor, begin
    another line or turn the writing's direction is shown as an escape (`\n`, `\x1b`, `\u202e`)."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )
