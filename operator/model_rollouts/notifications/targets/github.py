"""GitHub: the status of the commit that trained a version, and a deployment that follows it.

Deployment and statuses are those of GitHub's REST API, version 2022-11-28. A deployment is looked
up before one is made, so that a message that is sent twice makes none twice.
"""

from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from model_rollouts.notifications.kinds import Topic
from model_rollouts.notifications.message import Message
from model_rollouts.notifications.occasions import Occasion
from model_rollouts.notifications.targets.http import Http
from model_rollouts.notifications.targets.target import Place, UnansweredError
from model_rollouts.text import cut

API = "https://api.github.com"
VERSION = "2022-11-28"
LONGEST_DESCRIPTION = 140
"""Characters that GitHub takes."""


class States(NamedTuple):
    """What a fact is to GitHub: the state of the commit, and that of the deployment."""

    commit: str
    deployment: str


STATES = {
    Topic.PROGRESS: States("pending", "in_progress"),
    Topic.PROMOTED: States("success", "success"),
    Topic.ROLLED_BACK: States("failure", "failure"),
    Topic.UNDECIDED: States("error", "inactive"),
    Topic.STALLED: States("error", "error"),
}
"""Other facts are not about the version of a commit."""


class GitHub:
    """One repository, with a token that may write commit statuses and deployments."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._root = f"{(place.api or API).rstrip('/')}/repos/{place.repository}"
        self._http = Http()

    async def send(self, message: Message) -> None:
        """Tell each fact about a version with a commit. Raises DeliveryError."""
        for each in message.occasions:
            if each.commit and each.kind in STATES:
                await self._tell(each, message.cluster)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _tell(self, occasion: Occasion, cluster: str) -> None:
        states = STATES[occasion.kind]
        environment = "/".join(filter(None, (cluster, occasion.namespace, occasion.name)))
        described = {"description": cut(_words(occasion), LONGEST_DESCRIPTION)}
        if occasion.runbook:
            described["target_url"] = occasion.runbook
        await self._post(
            f"statuses/{quote(occasion.commit)}",
            {**described, "state": states.commit, "context": f"model-rollouts/{environment}"},
        )
        number = await self._deployment(occasion, environment)
        url = described.pop("target_url", None)
        await self._post(
            f"deployments/{number}/statuses",
            {
                **described,
                **({"log_url": url} if url else {}),
                "state": states.deployment,
                "auto_inactive": occasion.kind is Topic.PROMOTED,
            },
        )

    async def _deployment(self, occasion: Occasion, environment: str) -> int:
        """The number of the deployment of this revision, made where there is none."""
        task = f"rollout:{occasion.revision}"
        same = {"sha": occasion.commit, "task": task, "environment": environment, "per_page": "1"}
        found = _decoded(
            await self._http.get(f"{self._root}/deployments?{urlencode(same)}", self._headers())
        )
        if isinstance(found, list) and found:
            return _number(found[0])
        made = await self._post(
            "deployments",
            {
                "ref": occasion.commit,
                "task": task,
                "environment": environment,
                "description": f"Version {occasion.version} of {occasion.name}",
                # A model is rolled out whatever other checks of the commit say.
                "auto_merge": False,
                "required_contexts": [],
            },
        )
        return _number(_decoded(made))

    async def _post(self, path: str, body: dict[str, Any]) -> bytes:
        return await self._http.post(
            f"{self._root}/{path}", msgspec.json.encode(body), self._headers()
        )

    def _headers(self) -> dict[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._place.token()}",
            "Content-Type": "application/json",
            "X-GitHub-Api-Version": VERSION,
        }


def _words(occasion: Occasion) -> str:
    if occasion.kind is Topic.PROGRESS:
        share = occasion.share.rstrip("%") or "0"
        return f"Version {occasion.version}: {occasion.reason}, {share} % of users"
    return occasion.message


def _decoded(answer: bytes) -> Any:
    try:
        return msgspec.json.decode(answer)
    except msgspec.DecodeError:
        raise UnansweredError("an answer that is no JSON") from None


def _number(deployment: Any) -> int:
    number = deployment.get("id") if isinstance(deployment, dict) else None
    if not isinstance(number, int):
        raise UnansweredError("an answer without the id of a deployment")
    return number
