"""Where a command's words go: results to standard output, all else to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

from vmrep.client.errors import ClientError, Refused
from vmrep.client.shown import safe, table, terminal_width


class Output:
    """`as_json`: results are JSON, whose strings have no control characters."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._is_open = False

    def result(self, found: object) -> bool:
        """True if the result is shown herewith: programs get JSON."""
        if self.as_json:
            print(json.dumps(found, indent=2, ensure_ascii=True))  # noqa: T201
        return self.as_json

    def table(self, titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """As wide as the terminal; to a file or program as wide as it takes."""
        if not rows:
            self.tell("There is none.")
            return
        most = terminal_width() if sys.stdout.isatty() else 0
        for line in table(titles, rows, most=most):
            print(line)  # noqa: T201

    def facts(self, pairs: Sequence[tuple[str, object]]) -> None:
        """What is known of one object; what is not is left out."""
        known = [(name, value) for name, value in pairs if value not in (None, "", [])]
        longest = max((len(name) for name, _ in known), default=0)
        for name, value in known:
            print(f"{name:<{longest}}  {safe(value)}")  # noqa: T201

    def say(self, text: str) -> None:
        print(safe(text))  # noqa: T201

    def tell(self, text: str) -> None:
        """What is no result."""
        self._close()
        print(safe(text), file=sys.stderr)  # noqa: T201

    def progress(self, text: str) -> None:
        """One line that the next one replaces; only people see it."""
        if sys.stderr.isatty():
            shown = safe(text)[: terminal_width() - 1]
            print(f"\r\x1b[K{shown}", end="", file=sys.stderr, flush=True)  # noqa: T201
            self._is_open = True

    def _close(self) -> None:
        if self._is_open:
            print("\r\x1b[K", end="", file=sys.stderr)  # noqa: T201
            self._is_open = False

    def complain(self, problem: ClientError) -> None:
        self._close()
        for line in f"vmrep: {problem}".splitlines():
            print(safe(line), file=sys.stderr)  # noqa: T201
        candidates = problem.details.get("candidates") if isinstance(problem, Refused) else None
        if isinstance(candidates, list) and candidates:
            titles = list(dict.fromkeys(name for each in candidates for name in each))
            rows = [[each.get(name) for name in titles] for each in candidates]
            for line in table(titles, rows, most=0):
                print(line, file=sys.stderr)  # noqa: T201
