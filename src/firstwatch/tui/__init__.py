"""The terminal screen. Textual lives here and nowhere below.

Imports only ``manager``, ``trading`` and the settings. In reading order: ``state`` (what every widget shows),
``launch_form`` (the draft of a launch), ``actions`` (what an operator can do), ``keymap`` (with which key),
``controllers`` (how it is done), ``messages`` (what panes report), ``panes``, ``screens``, ``modals`` and
``widgets``, ``formats``, ``run_text`` and ``watch_text`` (values, runs and watches as text), ``themes``,
``app`` (which joins them) and ``driver`` (the terminal).

1. The screen shows what is in the snapshot. What the store does not know is shown as "?" (what a watch cannot
   know yet as "–"), never as zero.
2. Every operator action is one class with id, title, help, key and ``refusal``: the binding, the palette
   entry, the help line and the sentence when it is not possible come from it.
3. An action keeps the id of the run that its dialog was opened for, shows it, and checks its state again
   before the command is sent.
4. Keys act in NAV; in EDIT a key or a paste goes into the field and triggers nothing.
5. The event loop waits for no lock, no venue and no disk: all of that happens in other threads.
6. A terminal that is lost or stalls ends the screen, never the engine (``driver``).
7. What changes often repaints only its own row (``widgets.table``); the cursor stays on its row's key.
8. A widget reads the app's state and reports to the app in messages (``messages``); it never imports the app.
"""
