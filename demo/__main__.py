"""The command line of the demo; `make demo`, `make demo-all` and `make demo-break` call it."""

import sys
from pathlib import Path

import click
from rich.console import Console

from demo.story import breaking, summary
from demo.story.environment import Setting
from demo.story.scenes import NEEDS, SCENES, Ending, Memory, Scene
from demo.story.stage import Stage, StoryError
from demo.story.terminal import Teller
from e2e.cluster import progress
from e2e.cluster.paths import REPOSITORY
from e2e.cluster.progress import StepError

OUT = REPOSITORY / "out" / "demo"
SHORT = (1, 2, 4, 5)
OTHERWISE = 3
"""The exit code of a story in which a scene did not end as expected."""

_dry_run = click.option("--dry-run", is_flag=True, help="Print what would be done, and stop.")


@click.group(help="Roll out models of flight delays on a real cluster and show what happens.")
def main() -> None:
    """Group of the commands."""


@main.command()
@click.option("--all", "everything", is_flag=True, help="Every scene, not only 1, 2, 4 and 5.")
@click.option(
    "--scene",
    "wanted",
    multiple=True,
    type=click.IntRange(1, 10),
    help="Play this scene; may be given several times.",
)
@click.option(
    "--json",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    default=OUT / "story.json",
    show_default="out/demo/story.json",
    help="Where the story is written as JSON.",
)
@_dry_run
def play(everything: bool, wanted: tuple[int, ...], file: Path, dry_run: bool) -> None:
    """Play the story. Exits with 3 when a scene did not end as expected."""
    numbers = {scene.number for scene in SCENES} if everything else {1, *(wanted or SHORT)}
    numbers |= {other for number in numbers for other in NEEDS.get(number, ())}
    _perform([scene for scene in SCENES if scene.number in numbers], file, dry_run)


@main.command()
def parts() -> None:
    """Fetch and build what the story needs besides the cluster."""
    progress.run(Setting(OUT).parts(), Console())


@main.command(name="break")
@click.option("--errors", default="0%", show_default=True, help="Share of requests that fail.")
@click.option("--slow", type=click.Choice(sorted(breaking.SLOW)), help="Which requests are slow.")
@_dry_run
def broken(errors: str, slow: str | None, dry_run: bool) -> None:
    """Roll out a version with faults of your choice."""
    try:
        scenes = breaking.scenes_of(errors, slow)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    _perform(scenes, OUT / "break.json", dry_run)


@main.command()
@click.option(
    "--story",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    default=OUT / "story.json",
    show_default="out/demo/story.json",
    help="What `play` wrote.",
)
@click.option(
    "--output",
    "-o",
    type=click.Path(dir_okay=False, path_type=Path),
    default=OUT / "story.png",
    show_default="out/demo/story.png",
    help="The picture, as .png or .svg.",
)
def picture(story: Path, output: Path) -> None:
    """Draw the story that was played last."""
    from demo.story.picture import draw

    try:
        draw(story, output)
    except ValueError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"picture written to {output}")


def _perform(scenes: list[Scene], file: Path, dry_run: bool) -> None:
    # Tables need more room than a pipe is taken to have.
    console = Console(width=None if sys.stdout.isatty() else 120)
    setting = Setting(OUT)
    if dry_run:
        for step in setting.steps():
            click.echo(f"prepare: {step.title}")
        for scene in scenes:
            click.echo(f"scene {scene.number}: {scene.title}. {scene.words}")
        return
    progress.run(setting.steps(), console)
    memory = Memory()
    played: list[tuple[Scene, Ending]] = []
    teller = Teller(console)
    try:
        with Stage(setting, teller) as stage:
            for scene in scenes:
                stage.scene(scene.number, scene.title, scene.words)
                played.append((scene, scene.play(stage, memory)))
            for _, ending in played:
                ending.correct(stage.now().rolled_back)
    finally:
        summary.save(played, memory, file)
        if played:
            console.print(summary.table(played))
    if memory.rows:
        console.print(summary.comparison(memory))
    console.print(
        "\nThe cluster keeps running, and users keep sending requests for a while. To look around:"
    )
    for command in summary.look_around(setting):
        click.echo(f"  {command}")
    if not all(ending.as_expected for _, ending in played):
        sys.exit(OTHERWISE)


if __name__ == "__main__":
    try:
        main()
    except (StepError, StoryError) as error:
        progress.explain(
            error if isinstance(error, StepError) else StepError(str(error)), Console()
        )
        sys.exit(1)
