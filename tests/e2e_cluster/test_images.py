"""An image is built again exactly when something that goes into it changes."""

from pathlib import Path

from e2e.cluster import images
from e2e.cluster.paths import REPOSITORY


def test_the_same_files_have_the_same_digest_whatever_their_order(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, names in ((one, ("a", "b")), (two, ("b", "a"))):
        folder.mkdir()
        for name in names:
            (folder / name).write_text(f"content of {name}")
    assert images._digest(one, None) == images._digest(two, None)


def test_a_change_of_content_or_name_or_base_changes_the_digest(tmp_path: Path) -> None:
    context, base = tmp_path / "context", tmp_path / "base.tar"
    context.mkdir()
    base.write_text("base")
    (context / "a").write_text("one")
    digests = {images._digest(context, None), images._digest(context, base)}
    (context / "a").write_text("two")
    digests.add(images._digest(context, None))
    (context / "a").rename(context / "b")
    digests.add(images._digest(context, None))
    assert len(digests) == 4


def test_every_image_has_a_dockerfile_that_runs_without_root() -> None:
    for image in (*images.NODE, *images.OURS, images.NOTIFICATIONS, images.OBSERVER):
        lines = (image.folder / "Dockerfile").read_text().splitlines()
        assert "USER 65532:65532" in lines, image.name


def test_the_projects_own_images_are_stages_of_one_dockerfile() -> None:
    lines = (REPOSITORY / "Dockerfile").read_text().splitlines()
    stages = [line.rpartition(" AS ")[2] for line in lines if line.startswith("FROM ")]

    operator = next(image for image in images.OURS if image.name == "operator")
    # Whoever names no stage gets the last one.
    assert stages == [images.OBSERVER.target, images.NOTIFICATIONS.target, operator.target]
