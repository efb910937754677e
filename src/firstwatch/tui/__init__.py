"""The terminal screen. Textual lives here and nowhere below.

Imports only ``manager``, ``trading`` and the settings. In reading order: ``key_order`` (keys, one after the
other), ``state`` (what every widget shows), ``bench`` and ``build`` (those of Test and Build mode),
``launch_form`` (the draft of a launch), ``draft_form`` (that of an algorithm), ``actions`` (what an operator
can do), ``keymap`` (with which key, in which pane), ``key_table`` (the same as lines, for the help and the
README), ``first_run`` (the way to it), ``controllers`` (how it is done), ``external_editor`` (a text in the
operator's own editor), ``messages`` (what panes report), ``panes``, ``lists``, ``screens``, ``modals`` and
``widgets``, ``layout`` (the modes, and what fits), ``formats``, ``figures``, ``money_text``, ``run_text``,
``alarm_text``, ``ask_text``, ``job_text``, ``stream_text``, ``watch_text`` and ``away_text`` (values, figures
of tests, money, runs, alarms, questions, jobs, streams, watches and an absence as text), ``themes``,
``colour_filter`` and ``painting`` (the output to the terminal), ``leftovers`` (what is left of widgets
that are gone), ``app`` (which joins them) and ``driver`` (the terminal).

1. The screen shows what is in the snapshot. Values unknown to the store are shown as "?" (those that a watch
   cannot know yet as "–"), never as zero.
2. Every operator action is one class with id, title, help, key, panes, severity and ``refusal``: the binding,
   the palette entry, the lines of the help and of the README, and the sentence when it is not possible come
   from it. A key acts on the content of the pane in front, and means the same in each pane of a mode that
   has it.
3. An action keeps the ids of the runs that its dialog was opened for, shows them with their money, and checks
   their states again before a command is sent. It judges by the newest snapshot (``live``), although the
   screen may be frozen.
4. Keys act in NAV; in EDIT a key or a paste goes into the text and triggers nothing, except for a few keys
   that are no sign of a text (``acts_in_edit``). A question of an agent opens nothing by itself, and its keys
   are dead for a moment after it is shown (``modals.alarms``).
5. The event loop waits for no lock, no venue and no disk: all of that happens in other threads.
6. A terminal that is lost or stalls ends the screen, never the engine (``driver``).
7. A value that changes repaints only its own row (``widgets.table``); the cursor stays on its row's key.
8. A widget reads the app's state and reports to the app in messages (``messages``); it never imports the app.
9. A mode is a screen of its own (``screens.mode``). What only Test or Build mode needs is imported when it is
   first opened: the first paint does not wait for it.
"""

import os

# Textual reads it when it is imported: a change is painted within 8 ms instead of 17.
os.environ.setdefault("TEXTUAL_FPS", "120")
