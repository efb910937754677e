"""Places in TOML texts: those of the library's parser, each where its key and value stand."""

import string
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firstwatch.strategy.specification import sample_toml
from firstwatch.trading.toml_file import LONGEST_BYTES
from firstwatch.trading.toml_places import Part, Places, places_of
from firstwatch.trading.validation import key_of

NAMES = st.text(string.ascii_lowercase + "_", min_size=1, max_size=6)
KEYS = NAMES | st.sampled_from(['"a.b"', '"two words"', "'é'", '""', '"[0]"', "'say \"x\"'"])
"""Names, and keys as they are written that need quotes."""
TEXTS = st.text("ab1 \t\"'\\#[]{}=,.<é\N{SNOWMAN}\N{GRINNING FACE}", max_size=12)
BLANKS = st.sampled_from(["", " ", "\t", "  "])
GAPS = st.sampled_from(["", " ", "\n", "\n  # a [comment] = \"'\n", "  \n\n"])


def escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@st.composite
def written_texts(draw):
    text = draw(TEXTS)
    forms = [f'"{escaped(text)}"', f'"""\n{escaped(text)}"""', f'"""{escaped(text)}\\\n   """']
    if text and ord(text[0]) < 0x10000:
        forms.append(f'"\\u{ord(text[0]):04x}{escaped(text[1:])}"')
    if "'" not in text:
        forms += [f"'{text}'", f"'''{text}'''", f"'''\n{text}'''"]
    return draw(st.sampled_from(forms))


SCALARS = st.one_of(
    written_texts(),
    st.integers(-(10**9), 10**9).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["true", "false", "1979-05-27 07:32:00", "0xff", "1_000", "inf", "2024-01-31"]),
)


@st.composite
def written_lists(draw, values):
    found = [draw(GAPS) + draw(values) + draw(GAPS) + "," for _ in range(draw(st.integers(0, 3)))]
    text = "".join(found)
    return f"[{text[:-1] if text and draw(st.booleans()) else text}{draw(GAPS)}]"


@st.composite
def written_tables(draw, values):
    pairs = draw(st.dictionaries(KEYS, values, max_size=3))
    return (
        "{" + ",".join(f"{draw(BLANKS)}{name}{draw(BLANKS)}= {value} " for name, value in pairs.items()) + "}"
    )


VALUES = st.recursive(SCALARS, lambda inner: written_lists(inner) | written_tables(inner), max_leaves=6)


@st.composite
def documents(draw):
    lines = []
    for name, value in draw(st.dictionaries(KEYS, VALUES, max_size=4)).items():
        lines.append(f"{draw(BLANKS)}{name}{draw(BLANKS)}={draw(BLANKS)}{value}{draw(BLANKS)}# {draw(NAMES)}")
    for name in draw(st.lists(NAMES.map(lambda name: f"t{name}"), max_size=3, unique=True)):
        quoted = draw(st.sampled_from([name, f'"{name}"', f"'{name}'", f'"\\u{ord(name[0]):04x}{name[1:]}"']))
        how = draw(st.sampled_from(["[{}]", "[ {}.inner ]", "[[{}]]"]))
        for number in range(draw(st.integers(1, 2)) if how == "[[{}]]" else 1):
            lines.append(how.format(quoted))
            for key, value in draw(st.dictionaries(KEYS, VALUES, max_size=2)).items():
                lines.append(f"{key}.dotted = {value}" if draw(st.booleans()) else f"{key} = {value}")
            if how == "[[{}]]" and number == 0:
                lines += [f"[{name}.below]", "deep = 1"]
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"]))


def values_in(value, path=()):
    """Yield each value of a document with its place."""
    if path:
        yield key_of(path), value
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from values_in(inner, (*path, key))


@given(documents())
def test_each_value_of_a_document_stands_at_its_place(text):
    document = tomllib.loads(text)
    places = places_of(text)
    expected = dict(values_in(document))
    assert set(places.spots) == set(expected)
    for place, value in expected.items():
        spot = places.spots[place]
        if isinstance(value, dict | list):
            continue
        assert repr(tomllib.loads(f"v = {text[spot.start : spot.end]}")["v"]) == repr(value), place
        assert spot.is_text is isinstance(value, str)
        if isinstance(value, str):
            check_characters(places, place, value)


def check_characters(places: Places, place: str, value: str) -> None:
    """Each character of a text stands where it is written: it can be replaced there."""
    spot = places.spots[place]
    assert places.text_at(spot.start + 1) == place
    for index in range(len(value)):
        at = places.offset_in(spot, index)
        assert spot.start < at < spot.end
        written = places.text[at]
        assert written == value[index] or written == "\\", (value, index)
    assert places.text[places.offset_in(spot, len(value))] in "\"'\\"


@given(documents(), st.data())
def test_a_text_that_is_cut_anywhere_has_the_places_before_the_cut(text, data):
    cut = data.draw(st.integers(0, len(text)))
    whole, part = places_of(text), places_of(text[:cut])
    for place, spot in whole.spots.items():
        if spot.is_text and spot.end < cut:
            assert part.spots[place] == spot


@given(st.text(st.sampled_from("ab.=[]{}\"'\\\n#,1 \t"), max_size=60))
def test_any_text_has_places_within_it(text):
    places = places_of(text)
    for spot in places.spots.values():
        assert 0 <= spot.start <= spot.end <= len(text)
        assert 0 <= spot.key_start <= spot.key_end <= len(text)
        assert spot.start <= places.offset_in(spot, 3) <= len(text)


@pytest.mark.parametrize(
    ("text", "part", "place", "written"),
    [
        ("", Part.KEY, "", ""),
        ("nam", Part.KEY, "", "nam"),
        ("[entry.long]\nreq", Part.KEY, "entry.long", "req"),
        ("[entry.long]\n", Part.KEY, "entry.long", ""),
        ("[entry.", Part.TABLE, "entry", ""),
        ("[ent", Part.TABLE, "", "ent"),
        ("[[reset.foll", Part.TABLE, "reset", "foll"),
        ("[[reset.follow_up]]\n[[reset.follow_up]]\non", Part.KEY, "reset.follow_up[1]", "on"),
        ('direction = "lo', Part.TEXT, "direction", '"lo'),
        ("direction = ", Part.VALUE, "direction", ""),
        ('[entry.long]\nrequired = ["a", "rsi(14', Part.TEXT, "entry.long.required[1]", '"rsi(14'),
        ('[a.b]\nc = [\n  "a",\n  # comment "\n  "rsi(14', Part.TEXT, "a.b.c[1]", '"rsi(14'),
        ('when = {any = ["a", {all = ["b', Part.TEXT, "when.any[1].all[0]", '"b'),
        ("when = {an", Part.KEY, "when", "an"),
        # A list without an end does not take what follows.
        ('[a]\nb = ["x",\n[c.d]\ne', Part.KEY, "c.d", "e"),
        ('[a]\nb = ["x",\nf = "y', Part.TEXT, "a.f", '"y'),
        ('a = "no end\nb = "y', Part.TEXT, "b", '"y'),
        ("a = {b = 1\n[c]\nd", Part.KEY, "c", "d"),
    ],
)  # fmt: skip
def test_what_is_being_written_is_known_also_behind_mistakes(text, part, place, written):
    writing = places_of(text).writing
    assert writing is not None
    assert (writing.part, writing.place, text[writing.start :]) == (part, place, written)


@pytest.mark.parametrize("text", ["a = 1 # comm", 'a = "x"', "[a]", "a = [1]", "# comment"])
def test_nothing_is_being_written_behind_a_value_or_in_a_comment(text):
    writing = places_of(text).writing
    assert writing is None or writing.part is Part.VALUE


def test_the_time_for_a_text_grows_with_its_length():
    for sign in (
        "[",
        "a = [",
        '"',
        "'''",
        "a.",
        "a = {",
        "\\",
        "a = [[\n",
        "x = 'y'\n",
        '"""',
        "{ ",
        "[[a]]\n",
    ):
        text = (sign * LONGEST_BYTES)[:LONGEST_BYTES]
        begun_s = time.process_time()
        places_of(text)
        assert time.process_time() - begun_s < 10, sign


@pytest.mark.parametrize(
    "text",
    [
        f"[{'a' * 20_000}]\nb = [{'1,' * 12_000}]\n",
        f"{'.'.join(['a' * 600] * 32)} = [{'1,' * 12_000}]\n",
        f"{'[' * 20}'{'x' * 20_000}'",
        f"[[{'a' * 20_000}]]\n" * 2 + f"b = [{'{c = 1},' * 5_000}]\n",
    ],
)
def test_no_place_is_long_and_what_is_beyond_has_none(text):
    places = places_of(f"{text}\n[b]\nc = 1\n")
    assert max(map(len, places.spots)) <= 200
    assert not {"b[0]", "b[0].c"} & set(places.spots)
    assert {"b", "b.c"} <= set(places.spots)


def test_the_nearest_place_is_that_of_the_table_around():
    places = places_of(sample_toml())
    assert places.nearest("stop_loss.atr") == places.spots["stop_loss"]
    assert places.nearest("entry.long.required[7]") == places.spots["entry.long.required"]
    assert places.nearest("nothing") is None
