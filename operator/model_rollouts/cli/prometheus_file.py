"""The file of `--prometheus-config`: how a Prometheus is asked, beyond address, token and CA."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from model_rollouts.api.duration import span
from model_rollouts.metrics.batching import Batching
from model_rollouts.metrics.errors import InputError
from model_rollouts.metrics.series import LabelNames
from model_rollouts.prometheus.server import ServerOptions

_INSTEAD = {
    "extra_forbidden": "one of the fields in docs/install.md",
    "dict_type": "a mapping, such as {cluster: eu-1}",
    "model_type": "a mapping of fields",
    "list_type": "a list",
    "tuple_type": "a list, such as [prometheus_replica]",
    "path_type": "the path of a file",
}
"""What to write in place of what pydantic refuses, by its type of error."""


class _Part(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, use_attribute_docstrings=True
    )


class BasicAuth(_Part):
    """Basic authentication. The password is in a file, and the user may be."""

    username: str | None = None
    username_file: Path | None = None
    password_file: Path | None = None


class Tls(_Part):
    """What the operator shows to Prometheus, and the name that it expects in its certificate."""

    cert_file: Path | None = None
    key_file: Path | None = None
    server_name: str | None = None


class Labels(_Part):
    """Names of the labels that the scrape configuration gives to targets."""

    namespace: str = LabelNames().namespace
    pod: str = LabelNames().pod
    replica: tuple[str, ...] = LabelNames().replica
    """Labels by which Prometheus servers that scrape the same targets are told apart."""
    observer: dict[str, str] = Field(default_factory=dict)
    """Labels that the observer's targets have, and no others."""


class PrometheusFile(_Part):
    """What the file says. Paths in it start at its folder."""

    headers: dict[str, str] = Field(default_factory=dict)
    """May contain {namespace} and {tenant}, like `parameters`."""
    header_files: dict[str, Path] = Field(default_factory=dict)
    parameters: dict[str, str] = Field(default_factory=dict)
    tenants: dict[str, str] = Field(default_factory=dict)
    """Namespace -> tenant."""
    basic_auth: BasicAuth = BasicAuth()
    tls: Tls = Tls()
    matchers: dict[str, str] = Field(default_factory=dict)
    """Labels and the values that they have in all series that may be counted."""
    labels: Labels = Labels()
    timeout: str | None = None

    def batching(self) -> Batching:
        """How queries are written. Raises InputError."""
        labels = self.labels
        return Batching(
            LabelNames(
                labels.namespace, labels.pod, labels.replica, tuple(labels.observer.items())
            ),
            tuple(self.matchers.items()),
        )

    def server(
        self,
        url: str,
        *,
        token_file: Path | None,
        ca_file: Path | None,
        folder: Path,
        timeout_s: float,
    ) -> ServerOptions:
        """How the server is reached, with `timeout_s` unless the file has another.

        Raises InputError.
        """

        def there(path: Path | None) -> Path | None:
            return None if path is None else folder / path

        if self.timeout is not None:
            timeout_s = _seconds(self.timeout)
        return ServerOptions(
            url,
            token_file=token_file,
            user=self.basic_auth.username,
            user_file=there(self.basic_auth.username_file),
            password_file=there(self.basic_auth.password_file),
            headers=tuple(self.headers.items()),
            header_files=tuple((name, folder / path) for name, path in self.header_files.items()),
            parameters=tuple(self.parameters.items()),
            tenants=tuple(self.tenants.items()),
            ca_file=ca_file,
            certificate_file=there(self.tls.cert_file),
            key_file=there(self.tls.key_file),
            server_name=self.tls.server_name,
            timeout_s=timeout_s,
        )


def read(path: Path | None) -> PrometheusFile:
    """What a file says, or nothing. Raises InputError that names the field, never a secret."""
    if path is None:
        return PrometheusFile()
    try:
        found = yaml.safe_load(path.read_text())
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(str(path), _problem(error), "a readable YAML file") from None
    if found is None:
        return PrometheusFile()
    if not isinstance(found, dict):
        raise InputError(str(path), type(found).__name__, "a mapping of fields in YAML")
    try:
        return PrometheusFile.model_validate(found)
    except ValidationError as error:
        raise InputError(*_first(path, error)) from None


def prometheus(
    url: str,
    *,
    token_file: Path | None = None,
    ca_file: Path | None = None,
    config: Path | None = None,
    timeout_s: float = 10.0,
) -> tuple[ServerOptions, Batching]:
    """How to reach a Prometheus, and how to write queries for it and its tenants.

    Raises click.UsageError.
    """
    try:
        said = read(config)
        folder = Path() if config is None else config.parent
        server = said.server(
            url, token_file=token_file, ca_file=ca_file, folder=folder, timeout_s=timeout_s
        )
        return server, replace(said.batching(), apart=server.asked_apart)
    except InputError as error:
        where = "" if config is None or error.field == "url" else "--prometheus-config, "
        raise click.UsageError(f"{where}{error}") from None


def _first(path: Path, error: ValidationError) -> tuple[str, Any, str]:
    """Field, what was found and what to write, of the first thing that is wrong."""
    wrong = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in wrong["loc"])
    kind = type(wrong["input"]).__name__
    found: Any = "an unknown field" if wrong["type"] == "extra_forbidden" else kind
    return (
        f"{path}, {field}",
        found,
        _INSTEAD.get(wrong["type"], "text, in quotes if it is a number"),
    )


def _problem(error: Exception) -> str:
    """What is wrong with the text of a file, without the text."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"{error.problem} in line {error.problem_mark.line + 1}"
    return getattr(error, "strerror", None) or type(error).__name__


def _seconds(timeout: str) -> float:
    try:
        seconds = span(timeout).total_seconds()
    except ValueError:
        seconds = 0.0
    if seconds <= 0:
        raise InputError("timeout", timeout, "a time such as 10s or 1m30s")
    return seconds
