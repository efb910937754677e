"""The README's pictures are what the program shows now."""

import pytest

from tests.ui.screenshots import FOLDER, PICTURES, take


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
async def test_the_readme_s_picture_is_the_program_s_screen(picture):
    path = FOLDER / f"{picture.name}.svg"
    assert await take(picture) == path.read_text(encoding="utf-8"), (
        "the screen has changed: python -m tests.ui.screenshots"
    )


def test_there_is_no_picture_of_what_is_no_longer_shown():
    assert {path.name for path in FOLDER.iterdir()} == {f"{picture.name}.svg" for picture in PICTURES}
