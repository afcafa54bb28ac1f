"""Showing and storing texts from elsewhere, which may contain anything."""


def printable(text: str) -> str:
    r"""The text on one line, safe for a terminal or a log: characters that could move the cursor,
    start a new line or change the text direction become escapes (`\n`, `\x1b`, `\u202e`)."""
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def storable(text: str, most: int | None = None) -> str:
    """The text as both databases can store it: without NUL or half a surrogate pair, and cut to
    `most` characters. For whatever a server, a file or an error message says."""
    kept = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return kept if most is None or len(kept) <= most else kept[: most - 1] + "…"
