"""What MLflow knows of a version of a model: files, commit, training data, benchmark.

Read from its REST API (https://mlflow.org/docs/latest/rest-api.html), so that nothing of MLflow has
to be installed. What MLflow does not know is not made up: it is left out, and said.
"""

import base64
import hashlib
import http.client
import json
import math
import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlencode, urlsplit

import click

Object = dict[str, Any]

SECONDS = 30.0
"""How long an answer, or the next part of a file, may take."""
LONGEST_ANSWER = 16 * 2**20
PART = 2**20
MOST_FILES = 10_000
DEEPEST = 20
"""Folders within each other."""

COMMIT_TAG = "mlflow.source.git.commit"
DIGEST_TAGS = ("sha256", "digest")
"""Tags with a hash: of a version or its run that of its files, of a dataset that of its data."""
CONTEXT_TAG = "mlflow.data.context"
TRAINING = "training"

_NAMED = re.compile(r"models:/(?P<name>[^/@]+)(?:/(?P<version>[0-9]+)|@(?P<alias>[^/@]+))")
_DIGEST = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_URI = re.compile(r"[a-z][a-z0-9+.-]*://\S+")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all."""


class Known(NamedTuple):
    """`spec.model` as far as MLflow knows it, and what it lacks, each with what can be done."""

    model: Object
    lacks: tuple[str, ...]


class Asked(NamedTuple):
    """Which version is asked for, and which of its metrics is the benchmark."""

    uri: str
    metric: str | None
    better: str | None
    before: Mapping[str, Any] | None
    """The benchmark in the spec, if there is one: which metric counts, and its limit."""


class Server:
    """An MLflow tracking server, asked with the credentials that MLflow's own clients use."""

    def __init__(self, url: str, environment: Mapping[str, str] = os.environ) -> None:
        """Raises ClickException for an address that is none."""
        found = urlsplit(url)
        if found.scheme not in ("http", "https") or not found.hostname:
            raise click.ClickException(
                f"--tracking-uri: found '{url}', write http://HOST:PORT of an MLflow server"
            )
        self.url = url.rstrip("/")
        self._address = found
        self._headers = {"Accept": "application/json", "User-Agent": "model-rollouts"}
        token = environment.get("MLFLOW_TRACKING_TOKEN")
        user = environment.get("MLFLOW_TRACKING_USERNAME")
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        elif user:
            pair = f"{user}:{environment.get('MLFLOW_TRACKING_PASSWORD', '')}".encode()
            self._headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"

    def get(self, path: str, /, **query: str) -> Object:
        """An answer of the API. Raises ClickException."""
        answer = b"".join(self._parts(f"/api/2.0/{path}?{urlencode(query)}", LONGEST_ANSWER))
        try:
            found = json.loads(answer)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise click.ClickException(
                f"what answers at {self.url} is no MLflow server: /api/2.0/{path} is no JSON object"
            )
        return found

    def file(self, path: str) -> Iterator[bytes]:
        """The parts of a file of the server's own artifacts. Raises ClickException."""
        return self._parts(f"/api/2.0/mlflow-artifacts/artifacts/{quote(path)}", None)

    def _parts(self, target: str, longest: int | None) -> Iterator[bytes]:
        to = self._address
        assert to.hostname is not None
        made = http.client.HTTPSConnection if to.scheme == "https" else http.client.HTTPConnection
        connection = made(to.hostname, to.port, timeout=SECONDS)
        try:
            connection.request("GET", f"{to.path.rstrip('/')}{target}", headers=self._headers)
            answer = connection.getresponse()
            if answer.status != http.client.OK:
                raise self._refused(answer.status, answer.read(LONGEST_ANSWER))
            size = 0
            while part := answer.read(PART):
                size += len(part)
                if longest is not None and size > longest:
                    raise click.ClickException(
                        f"{self.url}: an answer is longer than {longest:,} bytes"
                    )
                yield part
        except (OSError, http.client.HTTPException) as error:
            said = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise click.ClickException(
                f"MLflow at {self.url} does not answer: {said}. Check --tracking-uri "
                "(MLFLOW_TRACKING_URI) and the network."
            ) from None
        finally:
            connection.close()

    def _refused(self, status: int, body: bytes) -> click.ClickException:
        try:
            told = json.loads(body)
            said = f"{told['error_code']}: {told['message']}"
        except (ValueError, KeyError, TypeError):
            said = f"HTTP {status}"
        hint = ""
        if status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
            hint = (
                "; set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD"
            )
        return click.ClickException(f"MLflow at {self.url} refuses: {said}{hint}")


def known(server: Server, asked: Asked, progress: Progress = lambda done, of: None) -> Known:
    """What `spec.model` is for a version. Raises ClickException.

    The digest of its files is that of the tag `sha256` or `digest`; without one it is worked out
    from the files, as far as the server hands them out: see `digest_of`.
    """
    version = _version(server, asked.uri)
    name, number = version["name"], str(version["version"])
    run = _run(server, version)
    tags = {**_pairs((run.get("data") or {}).get("tags")), **_pairs(version.get("tags"))}
    model: Object = {"version": number}
    lacks = []

    answer = server.get("mlflow/model-versions/get-download-uri", name=name, version=number)
    uri = answer.get("artifact_uri") or version.get("source") or ""
    digest = _tagged(tags) or digest_of(server, uri, progress)
    if digest is None:
        lacks.append(
            f"the digest of its files: the server hands out none at '{uri}'; set the tag 'sha256' "
            "of the version"
        )
    elif not _URI.fullmatch(_with_host(server, uri)):
        lacks.append(f"where its files are: '{uri}' is no URI with its scheme")
    else:
        model["artifact"] = {"uri": _with_host(server, uri), "digest": digest}

    commit = tags.get(COMMIT_TAG, "")
    if _COMMIT.fullmatch(commit):
        model["gitCommit"] = commit
    else:
        lacks.append(f"the commit: its run has no tag '{COMMIT_TAG}'; train it from a git checkout")

    dataset, why = _dataset(run)
    if dataset is None:
        lacks.append(why)
    else:
        model["dataset"] = dataset

    benchmark, why = _benchmark(run, asked, f"{name} {number}")
    if benchmark is None:
        lacks.append(why)
    else:
        model["benchmark"] = benchmark
    return Known(model, tuple(lacks))


def digest_of(server: Server, uri: str, progress: Progress = lambda done, of: None) -> str | None:
    r"""The hash of the files at an artifact URI; None where the server does not hand them out.

    It is the SHA-256 of one line for each file, sorted by path: its SHA-256 in hexadecimal digits,
    two spaces, its path below the URI, and a newline. `find . -type f -printf '%P\n' | LC_ALL=C
    sort | xargs -d '\n' sha256sum | sha256sum` in that folder gives the same.
    """
    found = urlsplit(uri)
    if found.scheme != "mlflow-artifacts":
        return None
    root = unquote(found.path).strip("/")
    files = sorted(_files(server, root), key=lambda each: each[0].encode())
    of, done = sum(size for _, size in files), 0
    lines = hashlib.sha256()
    for path, _ in files:
        content = hashlib.sha256()
        for part in server.file(f"{root}/{path}"):
            content.update(part)
            done += len(part)
            progress(done, of)
        lines.update(f"{content.hexdigest()}  {path}\n".encode())
    return f"sha256:{lines.hexdigest()}" if files else None


def _files(server: Server, root: str, below: str = "", depth: int = 0) -> Iterator[tuple[str, int]]:
    """Path below `root` and size of each file."""
    if depth > DEEPEST:
        raise click.ClickException(f"found more than {DEEPEST} folders within each other: {root}")
    answer = server.get("mlflow-artifacts/artifacts", path=f"{root}/{below}".rstrip("/"))
    listed = answer.get("files") or ()
    if len(listed) > MOST_FILES:
        raise click.ClickException(f"found more than {MOST_FILES:,} files in {root}")
    for each in listed:
        last = str(each["path"]).rstrip("/").rpartition("/")[2]
        if last in ("", ".", ".."):
            raise click.ClickException(f"found a file named '{each['path']}' in {root}")
        path = f"{below}/{last}".lstrip("/")
        if each.get("is_dir"):
            yield from _files(server, root, path, depth + 1)
        else:
            yield path, int(each.get("file_size") or 0)


def _with_host(server: Server, uri: str) -> str:
    """An artifact URI that says which server: `mlflow-artifacts:/1/…` leaves it out."""
    found = urlsplit(uri)
    host = urlsplit(server.url).netloc.rpartition("@")[2]
    if found.scheme == "mlflow-artifacts" and not found.netloc:
        return f"{found.scheme}://{host}{found.path}"
    return uri


def _version(server: Server, uri: str) -> Object:
    named = _NAMED.fullmatch(uri)
    if named is None:
        raise click.UsageError(
            f"--from: found '{uri}', write models:/NAME/VERSION or models:/NAME@ALIAS"
        )
    name = unquote(named["name"])
    if named["alias"] is not None:
        asked = {"name": name, "alias": named["alias"]}
        answer = server.get("mlflow/registered-models/alias", **asked)
    else:
        asked = {"name": name, "version": named["version"]}
        answer = server.get("mlflow/model-versions/get", **asked)
    version: Object = answer.get("model_version") or {}
    if "name" not in version or "version" not in version:
        raise click.ClickException(f"MLflow at {server.url} told no version of {uri}")
    return version


def _run(server: Server, version: Object) -> Object:
    """The run that made a version; empty when it has none, or it was deleted for good."""
    if not version.get("run_id"):
        return {}
    run: Object = server.get("mlflow/runs/get", run_id=version["run_id"]).get("run") or {}
    return run


def _pairs(of: Any) -> dict[str, str]:
    return {str(each["key"]): str(each.get("value") or "") for each in of or ()}


def _tagged(tags: Mapping[str, str]) -> str | None:
    found = (_DIGEST.fullmatch(tags.get(each, "")) for each in DIGEST_TAGS)
    return next((f"sha256:{each[1]}" for each in found if each is not None), None)


def _dataset(run: Object) -> tuple[Object | None, str]:
    inputs = (run.get("inputs") or {}).get("dataset_inputs") or []
    by_context = {_pairs(each.get("tags")).get(CONTEXT_TAG, ""): each for each in reversed(inputs)}
    chosen = by_context.get(TRAINING) or (inputs[0] if len(inputs) == 1 else None)
    if chosen is None:
        return None, (
            "the dataset: its run logged none with the context 'training'; call "
            "mlflow.log_input(dataset, context='training')"
        )
    found = chosen.get("dataset") or {}
    # MLflow's own digests are cut: they have 36 characters at most.
    digest = _tagged(_pairs(chosen.get("tags")))
    if digest is None:
        return None, (
            f"the SHA-256 of dataset '{found.get('name')}': MLflow has '{found.get('digest')}'; "
            "call mlflow.log_input(dataset, context='training', tags={'sha256': …})"
        )
    uri = _source(found)
    if not _URI.fullmatch(uri):
        return None, f"where dataset '{found.get('name')}' is: '{uri}' is no URI with its scheme"
    return {"uri": uri, "digest": digest}, ""


def _source(dataset: Object) -> str:
    """Where a dataset is: MLflow keeps JSON with an address, whose key depends on its kind."""
    text = str(dataset.get("source") or "")
    try:
        inside = json.loads(text)
    except ValueError:
        return text
    addresses = (inside.get(each) for each in ("uri", "url", "path", "table_name"))
    return next((str(each) for each in addresses if each), text)


def _benchmark(run: Object, asked: Asked, title: str) -> tuple[Object | None, str]:
    metrics = (run.get("data") or {}).get("metrics") or ()
    before = asked.before or {}
    name = asked.metric or before.get("metric")
    if name is None:
        logged = ", ".join(sorted({str(each["key"]) for each in metrics})) or "none"
        return None, f"the benchmark: write --metric with one of its metrics ({logged})"
    found = next((each for each in metrics if each.get("key") == name), None)
    if found is None:
        return None, f"the benchmark: its run has no metric '{name}'"
    better = asked.better or (before.get("better") if name == before.get("metric") else None)
    if better is None:
        return None, f"the benchmark: write --better Lower or --better Higher for {name}"
    if not math.isfinite(float(found["value"])):
        return None, f"the benchmark: its {name} is {found['value']}"
    same = {"limit": before["limit"]} if "limit" in before and name == before["metric"] else {}
    return {
        "name": str(before.get("name") or title),
        "metric": name,
        "value": _decimal(found["value"]),
        "better": better,
        **same,
    }, ""


def _decimal(value: Any) -> str:
    """A number as the field takes it: decimal digits, and no exponent."""
    text = f"{float(value):.12f}".rstrip("0").rstrip(".")
    return text or "0"
