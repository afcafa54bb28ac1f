"""What a simulated host does wrong where the control surface asked for it."""

from __future__ import annotations

OPEN_FAULT, READ_FAULT, CLOSE_FAULT = "NFC open", "NFC read", "NFC close"

FAULTS = {
    # error, close (the connection), stall; a disk that is larger than it was, or of other sectors
    OPEN_FAULT: ("error", "close", "stall", "resized", "sectors"),
    READ_FAULT: (
        "error",
        "close",
        "stall",
        "wrong_magic",
        "wrong_number",
        "wrong_place",
        "wrong_offset",
        "twice",
        "short",
        "long",
        "compressed",
        "empty",  # pieces without a byte, for ever
        "huge",  # a message of 4 GiB is announced
        "close_notify",  # TLS ends in the middle of a piece
    ),
    # it answers for ever, and never closes the connection
    CLOSE_FAULT: ("talk",),
}
"""What the control surface's `fail` may name, by what goes wrong. With some the client gets all the
bytes, so that only its own strictness saves it."""

HUGE_BYTES = 0xFFFF_FFF0
