"""Alarms that go out: to a phone, a mailbox, another program, by the addresses of ``[alerts]``.

In reading order: ``due`` (which alarms an address is owed now; pure), ``message`` (their text; pure),
``address`` (names without secrets), ``sending`` (hands messages to processes of their own,
``host.alert_process``, and waits for them), ``delivery`` (reads the store, sends, and records what was sent;
a periodic task of the host).

An address is a secret: only its number and its scheme are shown, logged or stored, and a hash by which what
it was sent is remembered.

1. A process of its own sends, and the kernel ends it after ``SEND_WITHIN_S``: an address that does not answer
   costs the engine neither a thread's end nor the interpreter's time. It is ended with the engine.
2. An address gets one message for each time an alarm begins, not for each time it is raised, and several
   alarms at once in one message. What it was sent is in the store, so a restart sends nothing again; if the
   engine dies between sending and recording, the message comes twice rather than never.
3. An alarm that comes and goes is sent again after ten minutes at the earliest.
4. In quiet hours only critical alarms are sent. At their end one message has what has begun in them,
   including what is over by then.
5. An address that takes nothing is tried again after 5 s, 30 s, 2 min, then every 10 min. It gets then what
   is active, and what has ended since it stopped taking messages. The first failure is a line in the journal
   of the run, the log and ``firstwatch doctor``.
"""
