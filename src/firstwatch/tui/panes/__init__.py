"""The five panes of Run mode, the three of Test and of Build mode each, and the tabs inside of them.

To add a pane: a member of ``PaneId`` and a subclass of ``Pane`` or ``TabbedPane`` (``pane``), its place in
its mode's screen (``screens``) and its height in that screen's style sheet, and an action that goes to it
(``actions.views``).
"""
