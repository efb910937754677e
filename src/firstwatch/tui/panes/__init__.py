"""The five panes of Run mode, and the tabs inside of them.

To add a pane: a member of ``PaneId`` and a subclass of ``Pane`` or ``TabbedPane`` (``pane``), its place in
``RunScreen`` (``screens.run``) and its height in ``run.tcss``, and an action that goes to it
(``actions.views``).
"""
