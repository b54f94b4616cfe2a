"""How the API server is reached: the pod's service account, or a kubeconfig."""

import time
from pathlib import Path
from typing import Any

from kubernetes.aio import config
from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config.config_exception import ConfigException

_load: Any = config  # its functions carry no types

REREAD_S = 60.0
"""How long credentials of a kubeconfig are used before the file is read again: tokens rotate."""


class ConnectionConfigError(Exception):
    """There is no usable way to an API server; the message says what was tried."""


async def load(kubeconfig: Path | None) -> Configuration:
    """The configuration of a client, whose credentials follow the files that they came from.

    Without `kubeconfig` it is that of the pod's service account. Raises ConnectionConfigError.
    """
    configuration: Any = Configuration()
    try:
        if kubeconfig is None:
            _load.load_incluster_config(client_configuration=configuration)
        else:
            await _read(kubeconfig, configuration)
            configuration.refresh_api_key_hook = _Reread(kubeconfig)
    except (ConfigException, OSError) as error:
        source = "service account of this pod" if kubeconfig is None else str(kubeconfig)
        raise ConnectionConfigError(f"{source}: {error}") from None
    loaded: Configuration = configuration
    return loaded


async def _read(kubeconfig: Path, configuration: Configuration) -> None:
    await _load.load_kube_config(
        config_file=str(kubeconfig), client_configuration=configuration, persist_config=False
    )


class _Reread:
    """Takes the token from the kubeconfig again when it may have changed."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._read_at = time.monotonic()

    async def __call__(self, configuration: Configuration) -> None:
        if time.monotonic() - self._read_at < REREAD_S:
            return
        self._read_at = time.monotonic()
        fresh = Configuration()
        await _read(self._kubeconfig, fresh)
        configuration.api_key = fresh.api_key
