"""The writer that never makes the screen wait."""

import os
import select
import threading
import time

from firstwatch.tui.driver import PatientWriter, plain

PATIENCE_S = 10


def test_a_stalled_reader_blocks_nobody_and_gets_a_repaint_when_it_is_back():
    reader, writer_end = os.pipe()
    has_room, is_lost = threading.Event(), threading.Event()
    writer = PatientWriter(writer_end, has_room.set, is_lost.set, limit=200_000)
    writer.start()
    for number in range(50):
        # 5 MB: far more than the pipe and the queue hold, and every call returns.
        writer.write(f"{number:06d}" + "x" * 100_000)
    assert not has_room.is_set()
    while not has_room.is_set():
        if select.select([reader], [], [], 0.01)[0]:
            os.read(reader, 65536)
    writer.write("REPAINTED")
    seen = b""
    while b"REPAINTED" not in seen:
        seen += os.read(reader, 65536)
    writer.end("BYE")
    while not seen.endswith(b"BYE"):
        seen += os.read(reader, 65536)
    writer.join(PATIENCE_S)
    assert not writer.is_alive()
    assert not is_lost.is_set()
    os.close(reader)
    os.close(writer_end)


def test_a_reader_that_is_gone_is_told_once_and_ends_the_thread():
    reader, writer_end = os.pipe()
    os.close(reader)
    losses: list[int] = []
    writer = PatientWriter(writer_end, lambda: None, lambda: losses.append(1))
    writer.start()
    writer.write("into the void")
    writer.join(PATIENCE_S)
    assert losses == [1]
    assert not writer.is_alive()
    # Later words are taken and forgotten.
    writer.write("more")
    writer.end("last words")
    os.close(writer_end)


def test_ending_waits_for_a_stalled_reader_for_a_moment_only():
    reader, writer_end = os.pipe()
    writer = PatientWriter(writer_end, lambda: None, lambda: None)
    writer.start()
    writer.write("x" * 500_000)
    ender = threading.Thread(target=writer.end, args=("last words",))
    ender.start()
    ender.join(PATIENCE_S)
    assert not ender.is_alive()
    os.close(reader)
    writer.join(PATIENCE_S)
    os.close(writer_end)


def test_a_reader_that_takes_nothing_for_a_while_has_stalled():
    reader, writer_end = os.pipe()
    has_room = threading.Event()
    writer = PatientWriter(writer_end, has_room.set, lambda: None)
    writer.start()
    assert not writer.is_stalled
    writer.write("x" * 500_000)
    deadline_s = time.monotonic() + PATIENCE_S
    while not writer.is_stalled:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)
    assert not has_room.is_set()
    deadline_s = time.monotonic() + PATIENCE_S
    while writer.is_stalled or not has_room.is_set():
        # The writer's thread notes what was taken when it gets its turn: on a busy machine, later.
        assert time.monotonic() < deadline_s
        if select.select([reader], [], [], 0.01)[0]:
            os.read(reader, 4_000)
    writer.end("")
    os.close(reader)
    writer.join(PATIENCE_S)
    os.close(writer_end)


def test_every_glyph_of_the_screen_has_an_ascii_sign_of_the_same_width():
    text = "╭─┤│├╰╯ ⢀⡠⠤ ▲▼ … → × ▂█ Ω"
    assert plain(text).isascii()
    assert len(plain(text)) == len(text)
    assert plain("╭──╮") == "+--+"
