"""What the operator does not need is not in its memory."""

import subprocess
import sys

from e2e.cluster.paths import REPOSITORY

NEEDLESS = ("oauthlib", "requests", "websocket", "kubernetes.dynamic", "kubernetes.stream")

FIND = f"""
import sys, model_rollouts.cli.run
print(*(each for each in {NEEDLESS} if each in sys.modules))
"""


def test_the_operator_imports_of_kubernetes_what_it_uses() -> None:
    found = subprocess.run(
        [sys.executable, "-c", FIND], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )

    assert found.stdout.split() == []
