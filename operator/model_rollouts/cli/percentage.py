"""Shares on the command line, as people write them: '99.9%'."""

from typing import Any

import click


class Percentage(click.ParamType[float]):
    """A share with its sign: '99.9%' becomes 0.999."""

    name = "percent"
    hint = "a percentage such as 99.9%"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share, between 0 and 1."""
        if isinstance(value, float):
            return value
        text = str(value).strip()
        try:
            number = float(text.removesuffix("%")) if text.endswith("%") else None
        except ValueError:
            number = None
        if number is None or not 0 <= number <= 100:
            self.fail(f"found '{value}', write {self.hint}", param, ctx)
        # 99.9 / 100 is 0.9990000000000001; people wrote 0.999.
        return round(number / 100, 12)


class PartPercentage(Percentage):
    """A share that is neither nothing nor all: '99.9%' becomes 0.999."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """The share, above 0 and below 1."""
        share = super().convert(value, param, ctx)
        if not 0 < share < 1:
            why = "; no number of requests shows that none will fail" if share == 1 else ""
            self.fail(f"found '{value}', write more than 0% and less than 100%{why}", param, ctx)
        return share


PERCENTAGE = Percentage()
PART_PERCENTAGE = PartPercentage()
