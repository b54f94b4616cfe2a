"""How the API server is reached: the pod's service account, or a kubeconfig."""

import logging
import time
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.config_exception import ConfigException

_load: Any = config  # its functions carry no types

REREAD_S = 60.0
"""How long credentials are used before the file that they came from is read again: tokens rotate.
One that is refused is read again at once."""

_log = logging.getLogger(__name__)


class ConnectionConfigError(Exception):
    """There is no usable way to an API server; the message says what was tried."""


async def load(kubeconfig: Path | None) -> Configuration:
    """The configuration of a client, whose credentials follow the files that they came from.

    Without `kubeconfig` it is that of the pod's service account. Raises ConnectionConfigError.
    """
    configuration: Any = Configuration()
    try:
        await _read(kubeconfig, configuration)
    except (ConfigException, OSError, ValueError) as error:
        raise ConnectionConfigError(f"{_name(kubeconfig)}: {error}") from None
    configuration.refresh_api_key_hook = _Reread(kubeconfig)
    loaded: Configuration = configuration
    return loaded


def refused(configuration: Configuration) -> None:
    """Have the credentials read again before the next request: they were not accepted."""
    hook: Any = configuration.refresh_api_key_hook
    if isinstance(hook, _Reread):
        hook.until = 0.0


async def _read(kubeconfig: Path | None, configuration: Configuration) -> None:
    if kubeconfig is None:
        _load.load_incluster_config(client_configuration=configuration)
        return
    await _load.load_kube_config(
        config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
    )


def _name(kubeconfig: Path | None) -> str:
    return "the service account of this pod" if kubeconfig is None else str(kubeconfig)


class _Reread:
    """Takes the token from its file again when it may have changed; a lost file changes nothing."""

    def __init__(self, kubeconfig: Path | None) -> None:
        self._kubeconfig = kubeconfig
        self.until = time.monotonic() + REREAD_S

    async def __call__(self, configuration: Configuration) -> None:
        if time.monotonic() < self.until:
            return
        self.until = time.monotonic() + REREAD_S
        fresh = Configuration()
        try:
            await _read(self._kubeconfig, fresh)
        except Exception as error:  # whatever is in the file: the credentials at hand may still do
            _log.warning("%s: could not be read again: %s", _name(self._kubeconfig), error)
            return
        configuration.api_key = fresh.api_key
