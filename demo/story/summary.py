"""What remains of a run: two tables, and a file for programs and for the picture."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from demo.story import side_by_side
from demo.story.environment import NAMESPACE, OPERATOR, Setting
from demo.story.scenes import BAD, GOOD, Ending, Memory, Scene
from demo.story.text import failed_or_slow, span
from model_rollouts.text import count

Played = Sequence[tuple[Scene, Ending]]


def table(played: Played) -> Table:
    """What happened, forecast, actual time and what users got, scene by scene."""
    found = Table("", "scene", "what happened", "plan", "took", "user requests", "failed or slow")
    for scene, ending in played:
        style = "" if ending.as_expected else "bold red"
        found.add_row(
            str(scene.number),
            scene.title,
            ending.happened,
            ending.forecast,
            span(ending.seconds),
            count(ending.got.total),
            failed_or_slow(ending.got) if ending.got.bad else "none",
            style=style,
        )
    return found


def comparison(memory: Memory) -> Table:
    """Version 4 side by side."""
    found = Table(*side_by_side.headings(GOOD, BAD))
    for row in memory.rows:
        found.add_row(*row)
    return found


def look_around(setting: Setting) -> list[str]:
    """Commands to look around with."""
    kubectl = f"kubectl --kubeconfig {setting.provider.kubeconfig} -n {NAMESPACE}"
    return [
        f"{kubectl} get modeldeployment arrival -o wide",
        f"{kubectl} describe modeldeployment arrival",
        f"{kubectl} get httproute arrival -o yaml",
        f"{kubectl} logs -f job/users",
        f"{kubectl} apply -f {setting.manifests.folder}/v2.yaml",
        f"kubectl --kubeconfig {setting.provider.kubeconfig} -n {OPERATOR} logs --prefix --selector"
        " app.kubernetes.io/instance=demo",
        ".venv/bin/python -m demo picture",
        "make cluster-down",
    ]


def save(played: Played, memory: Memory, path: Path) -> None:
    """Write everything that the picture and programs need."""
    plain = None if memory.plain is None else asdict(memory.plain)
    found = {
        "scenes": [
            {"number": scene.number, "title": scene.title, **asdict(ending)}
            for scene, ending in played
        ],
        "courses": {version: asdict(each) for version, each in memory.courses.items()},
        "plain": plain,
        "side_by_side": memory.rows,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")
