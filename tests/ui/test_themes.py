"""Every shipped theme can be read at every depth of colour, by every eye."""

import tomllib
from functools import cache
from itertools import product

import pytest
from rich.color import Color as RichColor
from rich.color import ColorSystem
from rich.segment import Segment
from rich.style import Style
from textual.color import Color

from firstwatch.settings import Settings
from firstwatch.tui.colour_filter import PICTURE, with_muted, without_colours
from firstwatch.tui.driver import takes_utf8
from firstwatch.tui.themes import DEFAULT_THEME, SIXTEEN, load_themes, theme_folder
from tests.ui import scenes
from tests.ui.colour_science import (
    DEUTERANOPIA,
    PROTANOPIA,
    TRITANOPIA,
    contrast,
    difference,
    lab,
)
from tests.ui.stage import stage

NAMES = sorted(path.stem for path in theme_folder().glob("*.toml"))
ROLES = ("primary", "secondary", "accent", "success", "warning", "error", "gain", "loss", "live")
TEXTS = (
    *ROLES,
    *(f"text-{role}" for role in ROLES[:6]),
    *("foreground", "text", "text-muted", "text-disabled", "foreground-muted"),
    *("link-color", "footer-key-foreground"),
)
GROUNDS = ("background", "surface", "panel", "block-hover-background", "surface-active")
"""Boost is clear where a theme has a panel."""
OTHERS = (
    ("block-cursor-foreground", "block-cursor-background"),
    ("block-cursor-blurred-foreground", "block-cursor-blurred-background"),
    ("input-cursor-foreground", "input-cursor-background"),
    ("input-selection-foreground", "input-selection-background"),
    ("screen-selection-foreground", "screen-selection-background"),
)
BADGES = (
    "primary",
    "secondary",
    "accent",
    "success",
    "warning",
    "error",
    "gain",
    "loss",
    "live",
    "foreground",
)
"""Grounds on which the background's colour is the text: what is chosen, an alarm, real money."""
PAIRS = (*product(TEXTS, GROUNDS), *OTHERS, *(("background", badge) for badge in BADGES))

XTERM = (
    "000000 cd0000 00cd00 cdcd00 0000ee cd00cd 00cdcd e5e5e5 "
    "7f7f7f ff0000 00ff00 ffff00 5c5cff ff00ff 00ffff ffffff"
)
VGA = (
    "000000 aa0000 00aa00 aa5500 0000aa aa00aa 00aaaa aaaaaa "
    "555555 ff5555 55ff55 ffff55 5555ff ff55ff 55ffff ffffff"
)
CUBE = (0, 95, 135, 175, 215, 255)


def rgb(text):
    return tuple(bytes.fromhex(text))


def as_256(number):
    """Return what xterm shows: a cube of 6 x 6 x 6, then 24 greys."""
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    return tuple(CUBE[(number - 16) // step % 6] for step in (36, 6, 1))


def truecolour(colour):
    return tuple(colour.triplet)


@cache
def with_256(colour):
    return as_256(colour.downgrade(ColorSystem.EIGHT_BIT).number)


def with_16(palette):
    colours = [rgb(text) for text in palette.split()]
    return cache(lambda colour: colours[colour.downgrade(ColorSystem.STANDARD).number])


TERMINALS = {
    "truecolour": ("truecolor", truecolour),
    "256": ("256", with_256),
    "16-xterm": ("standard", with_16(XTERM)),
    "16-vga": ("standard", with_16(VGA)),
}


def seen(name, terminal):
    """Return each colour variable as the terminal shows it."""
    colour_system, show = TERMINALS[terminal]
    theme = next(
        each
        for each in load_themes(theme_folder(), colour_system=colour_system).usable
        if each.name == f"firstwatch-{name}"
    )
    variables = theme.to_color_system().generate() | theme.variables
    return {
        key: show(RichColor.parse(value))
        for key, value in variables.items()
        if value.startswith("#") and len(value) == 7
    }


def test_there_is_a_theme_for_everybody():
    assert NAMES == ["blue-yellow", "contrast", "day", "night", "red-green", "sixteen"]


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", NAMES)
def test_every_text_can_be_read_on_its_ground(name, terminal):
    colours = seen(name, terminal)
    faint = {
        f"{text} on {ground}": round(ratio, 2)
        for text, ground in PAIRS
        if (ratio := contrast(colours[text], colours[ground])) < 4.5
    }
    assert faint == {}


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", NAMES)
def test_gain_and_loss_are_told_apart_by_every_eye(name, terminal):
    colours = seen(name, terminal)
    eyes = {"deuteranopia": DEUTERANOPIA, "typical": None}
    if name == "red-green":
        eyes["protanopia"] = PROTANOPIA
    if name == "blue-yellow":
        eyes["tritanopia"] = TRITANOPIA
    for eye, deficiency in eyes.items():
        apart = difference(lab(colours["gain"], deficiency), lab(colours["loss"], deficiency))
        assert apart >= 15, (eye, apart)


@pytest.mark.parametrize("terminal", TERMINALS)
@pytest.mark.parametrize("name", NAMES)
def test_real_money_a_warning_and_an_error_have_colours_of_their_own(name, terminal):
    colours = seen(name, terminal)
    assert colours["live"] not in {colours[each] for each in ("warning", "error", "primary", "gain", "loss")}
    assert colours["warning"] not in {colours[each] for each in ("error", "primary", "gain", "loss")}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("terminal", ["256", "16-vga"])
def test_a_chosen_colour_is_shown_as_it_is(name, terminal):
    """What is written in the file comes out of the terminal: nothing is rounded on the way."""
    table = tomllib.loads((theme_folder() / f"{name}.toml").read_text(encoding="utf-8"))
    colours = seen(name, terminal)
    of = {"muted": "text-muted", "line": "border-blurred", "band_inner": "band-inner"}
    vga = dict(zip(SIXTEEN, map(rgb, VGA.split()), strict=True))
    for role, written in table["colours_256" if terminal == "256" else "colours_16"].items():
        wanted = as_256(written) if terminal == "256" else vga[written]
        assert colours[of.get(role, role)] == wanted, role


def test_the_difference_of_colours_is_that_of_the_published_pairs():
    # Sharma, Wu and Dalal (2005), table 1.
    published = [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 2.8361, -74.0200), (50, 0, -82.7485), 3.4412),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0011), 7.2195),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (58, 24, 15), 19.4535),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ]
    for one, other, expected in published:
        assert difference(one, other) == pytest.approx(expected, abs=1e-4)
        assert difference(other, one) == pytest.approx(expected, abs=1e-4)


def test_contrast_has_its_known_ends():
    assert contrast((0, 0, 0), (255, 255, 255)) == pytest.approx(21)
    assert contrast((118, 118, 118), (255, 255, 255)) == pytest.approx(4.54, abs=0.01)


# --- on the screen -----------------------------------------------------------------------------------


def written_theme(home, name, **changes):
    """Write a theme of the operator's own."""
    folder = home / "themes"
    folder.mkdir(parents=True, exist_ok=True)
    text = (theme_folder() / "night.toml").read_text(encoding="utf-8")
    document = text.replace('"firstwatch-night"', f'"{name}"')
    for key, value in changes.items():
        before = next(line for line in document.splitlines() if line.startswith(f"{key} = "))
        document = document.replace(before, f'{key} = "{value}"', 1)
    (folder / f"{name}.toml").write_text(document, encoding="utf-8")


FRAMES = frozenset("▌▏▀▄█▔▁▎▊│─╭╮╰╯┄━┃ ·╶╴╸╺▂▃▅▆▇") | {chr(code) for code in range(0x2800, 0x2900)}


def faint_texts(on, shows):
    """Return what stands on the screen, or in the dialog before it, with too little contrast."""
    screen = on.app.screen
    area = screen.query_one(".dialog-box").region if on.app.is_covered else screen.region
    found = set()
    for strip in screen._compositor.render_strips()[area.y : area.bottom]:
        for text, style, _ in strip.crop(area.x, area.right):
            if style is None or not set(text) - FRAMES:
                continue
            assert not style.dim, text
            text_colour, ground = style.color, style.bgcolor
            if style.reverse:
                text_colour, ground = ground, text_colour
            ratio = min(contrast(show(text_colour), show(ground)) for show in shows)
            if ratio < 4.5:
                found.add((text.strip(), text_colour.triplet.hex, ground.triplet.hex, round(ratio, 2)))
    return found


@pytest.mark.parametrize("system", ["truecolor", "256", "standard"])
async def test_all_that_stands_on_the_screen_can_be_read(home, clock, monkeypatch, system):
    shows = [show for each, show in TERMINALS.values() if each == system]
    monkeypatch.setenv("TERM", {"standard": "xterm"}.get(system, "xterm-256color"))
    if system != "truecolor":
        monkeypatch.delenv("COLORTERM")
    scenes.with_alarm(home)
    with scenes.attached(home, clock):
        async with stage(home, clock=clock) as on:
            await on.ready()
            assert on.app.console.color_system == system
            for key in ("3", "n", "?"):
                await on.press(key)
                for name in NAMES:
                    on.app.theme = f"firstwatch-{name}"
                    # The new style sheet is applied by a message, and painted by another.
                    await on.pilot.pause()
                    await on.pilot.pause()
                    assert faint_texts(on, shows) == set(), (key, name)
                if key == "n":
                    await on.press("escape")


async def test_the_operator_s_own_theme_stands_beside_the_shipped_ones(home, clock):
    scenes.first_steps(home)
    written_theme(home, "mine")
    written_theme(home, "firstwatch-day", primary="#123456")
    async with stage(home, clock=clock, settings=Settings(home=home, theme="mine")) as on:
        await on.ready()
        assert on.app.theme == "mine"
        assert on.app.available_themes["firstwatch-day"].primary == "#123456"


async def test_the_theme_that_was_chosen_is_there_at_the_next_start(home, clock):
    scenes.first_steps(home)
    async with stage(home, clock=clock) as on:
        await on.ready()
        assert on.app.theme == DEFAULT_THEME
        await on.press("t", "home", "enter")
        chosen = on.app.theme
        assert chosen != DEFAULT_THEME
        file = home / "theme"
        await on.until(lambda: file.exists() and file.read_text(encoding="utf-8"), "it is remembered")
    async with stage(home, clock=clock) as on:
        assert on.app.theme == chosen
    async with stage(home, clock=clock, settings=Settings(home=home, theme="firstwatch-day")) as on:
        await on.ready()
        assert on.app.theme == "firstwatch-day"
        await on.press("t", "home", "enter")
        assert any("settings" in toast for toast in on.toasts())


@pytest.mark.parametrize("content", [b"\xff", b"gone", b"x" * 200_000])
async def test_a_remembered_theme_that_is_not_there_is_no_obstacle(home, clock, content):
    scenes.first_steps(home)
    (home / "theme").write_bytes(content)
    async with stage(home, clock=clock) as on:
        await on.ready()
        assert on.app.theme == DEFAULT_THEME


async def test_a_theme_is_seen_as_soon_as_its_file_is_written(home, clock):
    scenes.first_steps(home)
    written_theme(home, "mine")
    async with stage(home, clock=clock, settings=Settings(home=home, theme="mine")) as on:
        await on.ready()
        written_theme(home, "mine", primary="#abcdef")
        await on.until(lambda: on.app.theme_variables["primary"].lower() == "#abcdef", "the new colour")
        assert on.app.theme == "mine"
        (home / "themes" / "mine.toml").write_text("name = 3", encoding="utf-8")
        await on.until(lambda: any("mine.toml" in toast for toast in on.toasts()), "a sentence")
        assert on.app.theme_variables["primary"].lower() == "#abcdef"


@pytest.mark.parametrize(
    ("before", "after", "place"),
    [
        ('primary = "#5aa9e6"', 'primary = "bluish"', 'primary: "bluish" is not a colour'),
        ('primary = "#5aa9e6"', 'primary = "#5aa9e680"', 'primary: "#5aa9e680" is not a whole colour'),
        ("primary = 75", "primary = 300", "colours_256.primary: 300 is not a number from 16 to 255"),
        ("primary = 75", "primary = 59", "colours_256.primary: 59 would be shown as 240"),
        ('primary = "bright_cyan"', 'primary = "bright_cyam"', "did you mean bright_cyan?"),
        ("[colours_16]", "[colours_15]", "unknown key colours_15; did you mean colours_16?"),
    ],
)
def test_a_mistake_in_a_theme_is_named_with_its_place(tmp_path, before, after, place):
    text = (theme_folder() / "night.toml").read_text(encoding="utf-8")
    assert before in text
    (tmp_path / "a.toml").write_text(text.replace(before, after), encoding="utf-8")
    [problem] = load_themes(tmp_path).problems
    assert f"{tmp_path / 'a.toml'}: " in problem
    assert place in problem


# --- terminals without colours or glyphs ------------------------------------------------------------


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
async def test_no_colour_at_all_where_none_is_wanted_or_possible(home, clock, monkeypatch, variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    scenes.with_alarm(home)
    async with stage(home, clock=clock) as on:
        await on.ready()
        segments = [each for strip in on.app.screen._compositor.render_strips() for each in strip]
        assert not [text for text, style, _ in segments if style and (style.color or style.bgcolor)]
        # What only its ground shows is still to be seen.
        reversed_texts = {text.strip() for text, style, _ in segments if style and style.reverse}
        assert {"Run", "NAV"} <= reversed_texts


def test_a_qr_code_keeps_its_colours():
    picture = Style(color="#000000", bgcolor="#ffffff", meta=PICTURE)
    [kept] = without_colours("#ffffff", "#000000").apply([Segment("▀", picture)], Color(0, 0, 0))
    assert kept.style == picture


def test_faint_text_has_the_colour_that_was_chosen_for_it():
    [changed] = with_muted("#93a4b5").apply([Segment("words", Style(dim=True, bold=True))], Color(0, 0, 0))
    assert changed.style == Style(color="#93a4b5", dim=False, bold=True)


def test_the_console_of_linux_gets_ascii(monkeypatch):
    monkeypatch.setattr("locale.getencoding", lambda: "UTF-8")
    assert takes_utf8()
    monkeypatch.setenv("TERM", "linux")
    assert not takes_utf8()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("locale.getencoding", lambda: "ANSI_X3.4-1968")
    assert not takes_utf8()
