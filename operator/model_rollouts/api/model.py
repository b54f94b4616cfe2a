"""What is served and where it came from: `spec.model`."""

from pydantic import Field

from model_rollouts.api.base import ATOMIC, Part, Rule, Word, matches, rules
from model_rollouts.api.strings import (
    DECIMAL_PATTERN,
    Date,
    Decimal,
    Digest,
    DnsName,
    GitCommit,
    Text,
    Uri,
    Version,
)


class Artifact(Part):
    """The files of the model."""

    uri: Uri
    """Where the artifact is stored, e.g. `s3://models/arrival/3`."""
    digest: Digest
    """Hash of the artifact: `sha256:` and 64 hexadecimal digits. A version cannot change its
    digest later."""


class Dataset(Part):
    """The data that the model was trained on."""

    uri: Uri
    """Where the training data is stored, e.g. `s3://data/flights/2026-03`."""
    digest: Digest
    """Hash of the training data: `sha256:` and 64 hexadecimal digits."""
    as_of: Date | None = None
    """Last day that the data covers, e.g. `2026-03-31`."""


class Better(Word):
    """Whether smaller or larger values of a metric are better."""

    LOWER = "Lower", "Smaller values are better, as for a loss."
    HIGHER = "Higher", "Larger values are better, as for an accuracy."


def _decimals(*fields: str) -> str:
    return " && ".join(matches(f"self.{field}", DECIMAL_PATTERN) for field in fields)


class Benchmark(
    Part,
    json_schema_extra=rules(
        Rule(
            f"!has(self.limit) || !({_decimals('value', 'limit')}) || "
            "(self.better == 'Lower' ? double(self.value) <= double(self.limit) "
            ": double(self.value) >= double(self.limit))",
            "retrain the model or correct the limit: "
            "a version that misses the limit of its own benchmark is not rolled out",
            found="self.value + ' where the limit is ' + self.limit "
            "+ ' and ' + self.better + ' is better'",
            field=".value",
        )
    ),
):
    """The model's result on held-out data, measured before the rollout."""

    name: Text
    """Name of the data set or suite, e.g. `holdout-2026-03`."""
    metric: Text
    """Name of the metric, e.g. `brier`."""
    value: Decimal
    """Result of this version, a decimal number in quotes, e.g. `"0.0663"`."""
    better: Better
    """Whether smaller or larger values are better."""
    limit: Decimal | None = None
    """Worst value that is allowed, a decimal number in quotes. A version that misses it is
    refused."""


class ReferenceFile(Part):
    """What the data that the model was trained on look like."""

    config_map: DnsName
    """ConfigMap in the same namespace that has the file in its key `reference.json`. The observer
    needs a Role to read it."""
    digest: Digest
    """Hash of the file, as `model-rollouts reference make` prints it."""


class Model(
    Part,
    json_schema_extra=rules(
        Rule(
            "self.version != oldSelf.version || !has(self.artifact) || !has(oldSelf.artifact) "
            "|| self.artifact.digest == oldSelf.artifact.digest",
            "write a new version: this one already has a different artifact",
            found="self.artifact.digest + ' for version ' + self.version",
            field=".artifact.digest",
        )
    ),
):
    """The version of the model to serve, and where it came from."""

    version: Version
    """Version of the model, e.g. `3`, as shown in the status, events and messages. A different
    artifact needs a different version."""
    artifact: Artifact | None = None
    """The files of the model: where they are stored, and their hash."""
    git_commit: GitCommit | None = None
    """Full hash of the commit that trained the model."""
    dataset: Dataset | None = None
    """The data that the model was trained on."""
    benchmark: Benchmark | None = None
    """The model's result on held-out data, measured before the rollout."""
    reference: ReferenceFile | None = None
    """What the training data look like. Requests of the last seven days are compared with it. It
    needs `capture.include.inputs`. Changing it restarts nothing."""


class Mode(Word):
    """What happens when a required item is missing."""

    ENFORCE = "Enforce", "The ModelDeployment is refused."
    WARN = "Warn", "The rollout continues, and the missing items are reported."


class Item(Word):
    """An item that every version must declare."""

    IMAGE = "image", "The digest in the image of the container `model`."
    ARTIFACT = "artifact", "The field `model.artifact`."
    GIT_COMMIT = "gitCommit", "The field `model.gitCommit`."
    DATASET = "dataset", "The field `model.dataset`."
    BENCHMARK = "benchmark", "The field `model.benchmark`."


class Provenance(Part):
    """What every version must declare about where it came from."""

    mode: Mode = Mode.ENFORCE
    """What happens when a required item is missing. Defaults to `Enforce`."""
    require: tuple[Item, ...] = Field(
        default=(Item.IMAGE,),
        max_length=len(Item),
        json_schema_extra=ATOMIC,
    )
    """Items that every version must declare. Defaults to `image`, because a tag can be moved to
    another image. An empty list requires nothing."""
