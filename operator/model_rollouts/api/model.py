"""What is served and where it came from: `spec.model`."""

from pydantic import Field

from model_rollouts.api.base import ATOMIC, Part, Rule, Word, matches, rules
from model_rollouts.api.strings import (
    DECIMAL_PATTERN,
    Date,
    Decimal,
    Digest,
    GitCommit,
    Text,
    Uri,
    Version,
)


class Artifact(Part):
    """The bytes of the model."""

    uri: Uri
    """Where the artifact is stored, e.g. `s3://models/arrival/3`."""
    digest: Digest
    """What the stored bytes hash to, e.g. `sha256:` and 64 hexadecimal digits."""


class Dataset(Part):
    """The data that the model was trained on."""

    uri: Uri
    """Where the training data is stored."""
    digest: Digest
    """What the stored bytes hash to."""
    as_of: Date | None = None
    """The day up to which the data reaches, e.g. `2026-03-31`."""


class Better(Word):
    """Which direction of a metric is the good one."""

    LOWER = "Lower", "A smaller value is better, as of an error or a loss."
    HIGHER = "Higher", "A larger value is better, as of an accuracy."


def _decimals(*fields: str) -> str:
    return " && ".join(matches(f"self.{field}", DECIMAL_PATTERN) for field in fields)


class Benchmark(
    Part,
    json_schema_extra=rules(
        Rule(
            f"!has(self.limit) || !({_decimals('value', 'limit')}) || "
            "(self.better == 'Lower' ? double(self.value) <= double(self.limit) "
            ": double(self.value) >= double(self.limit))",
            "but a version that misses the limit of its own benchmark is not rolled out; "
            "train it again or correct the limit",
            found="self.value + ' where the limit is ' + self.limit "
            "+ ' and ' + self.better + ' is better'",
            field=".value",
        )
    ),
):
    """What the model reached before anybody was served by it."""

    name: Text
    """The data set or suite that was measured, e.g. `holdout-2026-03`."""
    metric: Text
    """What was measured, e.g. `brier`."""
    value: Decimal
    """What the version reached, digits in quotes, e.g. `"0.0663"`."""
    better: Better
    """Which direction is the good one."""
    limit: Decimal | None = None
    """The worst value that is allowed. A version that misses it is refused."""


class Model(
    Part,
    json_schema_extra=rules(
        Rule(
            "self.version != oldSelf.version || !has(self.artifact) || !has(oldSelf.artifact) "
            "|| self.artifact.digest == oldSelf.artifact.digest",
            "but that version has another artifact already; "
            "write another version for another artifact",
            found="self.artifact.digest + ' for version ' + self.version",
            field=".artifact.digest",
        )
    ),
):
    """What is served: a version and where it came from."""

    version: Version
    """The version of the model, shown wherever the rollout is shown. Other bytes are another
    version: the digest of a version's artifact cannot be changed."""
    artifact: Artifact | None = None
    """The bytes of the model: where they are stored and what they hash to."""
    git_commit: GitCommit | None = None
    """The commit of the code that trained the model, in full."""
    dataset: Dataset | None = None
    """The data that the model was trained on."""
    benchmark: Benchmark | None = None
    """What the model reached on held-out data before the rollout."""


class Mode(Word):
    """What a missing item of the provenance does."""

    ENFORCE = "Enforce", "A resource that lacks a required item is refused."
    WARN = "Warn", "The rollout goes on, and the missing items are reported."


class Item(Word):
    """What the provenance of a version can be asked for."""

    IMAGE = "image", "The container `model` names its image by digest."
    ARTIFACT = "artifact", "`model.artifact` is declared."
    GIT_COMMIT = "gitCommit", "`model.gitCommit` is declared."
    DATASET = "dataset", "`model.dataset` is declared."
    BENCHMARK = "benchmark", "`model.benchmark` is declared."


class Provenance(Part):
    """What must be known about where a version came from."""

    mode: Mode = Mode.ENFORCE
    """What happens when a required item is missing."""
    require: tuple[Item, ...] = Field(
        default=(Item.IMAGE,),
        max_length=len(Item),
        json_schema_extra=ATOMIC,
    )
    """The items that every version must declare. A tag can point to other bytes tomorrow, so that
    the image's digest is asked for unless this list says otherwise."""
