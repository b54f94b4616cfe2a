"""The manifests of the story, as a user would have written them.

What only the training knows is left open in them (`${v2_brier}`) and filled in here. The filled
ones are kept, so that you can read and apply them too.
"""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from demo.flights import data
from demo.flights.training import Card
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.shell import run

HERE = REPOSITORY / "demo" / "manifests"
TRAINED_BY = ("demo/flights", "demo/model")
"""The code of which the last commit is the models' commit."""


@dataclass(frozen=True)
class Manifests:
    """The manifests, filled with `values` and kept in `folder`."""

    values: Mapping[str, str]
    folder: Path

    def write(self, name: str, kept_as: str = "", **more: str) -> Path:
        """Fill the manifest `name`, with `more` values, and return the file that kubectl takes."""
        template = string.Template((HERE / f"{name}.yaml").read_text())
        target = self.folder / f"{kept_as or name}.yaml"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(template.substitute({**self.values, **more}))
        return target


def values(cards: Mapping[str, Card], model_image: str, load_image: str) -> dict[str, str]:
    """What is open in the manifests."""
    newest = cards["v2"]
    found = {
        "model_image": model_image,
        "load_image": load_image,
        "git_commit": commit(),
        "dataset_uri": data.URI,
        "dataset_digest": f"sha256:{data.SHA256}",
        "as_of": newest.as_of,
        "holdout": newest.benchmark,
        "blind_brier": f"{newest.blind:.4f}",
    }
    for name, card in cards.items():
        found |= {f"{name}_digest": card.digest, f"{name}_brier": f"{card.brier:.4f}"}
    return found


def commit() -> str:
    """The commit of the code that trains the models.

    Raises StepError when this is no checkout of the repository.
    """
    hint = "run the demo in a checkout: its models name the commit that trained them"
    asked = ("git", "-C", REPOSITORY, "log", "-1", "--format=%H", "--", *TRAINED_BY)
    return run(asked, hint=hint).strip()
