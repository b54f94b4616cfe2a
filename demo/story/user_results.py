"""What users got, from the load generator's own books."""

import json
from collections.abc import Callable

from demo.load.replay import Count, Line


class Ledger:
    """The lines of a load generator, as they come. Times in Unix seconds."""

    def __init__(self) -> None:
        """Begin with none."""
        self._lines: list[Line] = []

    def take(self, _: float, text: str) -> None:
        """Take a line as it was printed."""
        if not text.startswith("{"):
            return  # The node's own words, as that the container of a log is gone.
        found = json.loads(text)
        versions = {name: Count(**count) for name, count in found["versions"].items()}
        self._lines.append(Line(found["at"], found["sent"], versions))

    def lines(self, since: float = 0.0, until: float = float("inf")) -> list[Line]:
        """The lines of a span."""
        return [line for line in tuple(self._lines) if since <= line.at <= until]

    @property
    def sent(self) -> int:
        """Requests so far."""
        return sum(line.sent for line in tuple(self._lines))

    def of(self, version: str, since: float = 0.0, until: float = float("inf")) -> Count:
        """What users got of one version in a span."""
        return self._sum(lambda name: name == version, since, until)

    def everyone(self, since: float = 0.0, until: float = float("inf")) -> Count:
        """What all users got in a span."""
        return self._sum(lambda name: True, since, until)

    def _sum(self, wanted: Callable[[str], bool], since: float, until: float) -> Count:
        found = Count()
        for line in self.lines(since, until):
            for name, count in line.versions.items():
                if wanted(name):
                    found += count
        return found
