"""Whether an object of ours still is as it is stored."""

from collections.abc import Mapping
from typing import Any

from model_rollouts.resources.canonical import quantity


def drifted(found: Mapping[str, Any] | None, body: Mapping[str, Any]) -> bool:
    """Whether `found` lacks something of `body`, or has it otherwise; True when there is none.

    What others added is theirs, as in a server-side apply. Lists of mappings with names are
    compared by name, as the API server merges them; what it leaves out because it is empty is no
    difference, and neither is another spelling of an amount. `kind` and `apiVersion` are not
    looked at: items of a list lack them.
    """
    wanted = {key: value for key, value in body.items() if key not in ("kind", "apiVersion")}
    return found is None or not _holds(found, wanted)


def _holds(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            _holds(found[key], inner) if key in found else not inner
            for key, inner in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and _lists_hold(found, wanted)
    if _is_amount(found) and _is_amount(wanted):
        # A number that is written without quotes is stored as a string.
        return found == wanted or quantity(found) == quantity(wanted)
    return bool(found == wanted)


def _is_amount(value: Any) -> bool:
    return isinstance(value, (str, int, float)) and not isinstance(value, bool)


def _lists_hold(found: list[Any], wanted: list[Any]) -> bool:
    if wanted and all(isinstance(each, Mapping) and "name" in each for each in wanted):
        by_name = {each.get("name"): each for each in found if isinstance(each, Mapping)}
        return all(_holds(by_name.get(each["name"]), each) for each in wanted)
    return len(found) == len(wanted) and all(map(_holds, found, wanted))
