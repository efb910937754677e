"""Sends alarms to a phone, a mailbox or another program, by the addresses of ``[alerts]``.

In reading order: ``due`` (which alarms to send to an address now; pure), ``message`` (their text; pure),
``address`` (names without secrets), ``sending`` (hands messages to processes of their own,
``host.alert_process``, and waits for them), ``delivery`` (reads the store, sends, and records what was sent;
a periodic task of the host).

An address is a secret: only its number and scheme are shown or logged. The store has only a hash of it, to
remember what was sent.

1. Each message is sent by its own process, which the kernel ends after ``SEND_WITHIN_S`` seconds: an address
   that does not answer blocks no thread of the engine and does not hold its GIL. It ends with the engine.
2. An address gets one message for each time an alarm begins, not for each time it is raised, and several
   alarms at once in one message. The messages sent to it are in the store, so a restart sends nothing again;
   if the engine dies between sending and recording, the message comes twice rather than never.
3. An alarm that comes and goes is sent again after ten minutes at the earliest.
4. In quiet hours only critical alarms are sent. At their end one message lists the alarms that began in them,
   including those that are over by then.
5. A failed address is tried again after 5 s, 30 s, 2 min, then every 10 min. Once it works, it gets the
   alarms that are active, and those that ended while it failed. The first failure is reported in the journal
   of the run, the log and ``firstwatch doctor``.
"""
