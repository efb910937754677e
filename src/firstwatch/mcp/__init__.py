"""The server of the Model Context Protocol: what an agent reads, and with which scope it may act.

In reading order: ``tools`` (all of them: names, scopes, descriptions), ``arguments``, ``results`` and
``schemas`` (what goes in and comes out), ``reading`` and ``acting`` (what each tool does), ``answers`` (views
of the manager as answers), ``cleaning`` (what others wrote, made safe as data), ``prompts`` (resources and
prompts), ``loop_guard`` (identical calls), ``backend`` (the manager, read in threads), ``server`` (the
protocol), ``stdio`` and ``http`` (the transports), ``serving`` (the process).

Imports the manager, its words and the official SDK, which the extra ``agents`` brings. Only the command
``firstwatch mcp`` imports this package: neither the screen nor the engine loads the SDK.

1. A server decides nothing about money: scope, limits, tokens and the operator's answer are checked by the
   manager and again by the engine (``engine.agent_check``).
2. A tool above the caller's scope is answered as one that does not exist; so is an argument.
3. Every answer says whose money it is about, how old its figures are, and why one is missing.
4. What others wrote (names, symbols, notes, errors of venues) is cleaned and stands in fields that are made
   for it; it is never part of a description, and in a sentence only between quotes.
5. A wrong or refused call is an answer with a sentence of this program that says what to do.
"""
