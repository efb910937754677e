"""The one engine of a data folder.

In reading order: ``host`` (its thread: heartbeat, commands, workers, live figures), ``command_handler`` (each
command is checked, performed and answered), ``locked_runs`` (runs that wait for the passphrase),
``open_store`` (an older store is migrated first), ``background`` (starts an engine process and follows it),
``daemon`` (that process), ``watch_keeper`` (keeps the process of the first watch alive), ``watch_daemon``
(that process), ``alert_process`` (sends one message), ``pulse`` (whether the heartbeat goes on, for the
watchdog), ``service_manager`` (the state for systemd), ``process`` (privacy of every process of the program,
and its signals).

Rules 24 to 27 of ``firstwatch.engine``.
"""
