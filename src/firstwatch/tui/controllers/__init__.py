"""Controllers: what happens when an action is performed, one object for each subject.

``launch`` checks and starts runs, ``runs`` acts on them, ``wallets`` creates, approves and moves money,
``engine`` starts, unlocks and hands over the engine and ends the screen, ``jobs`` lists, ends and resumes
jobs, ``lists`` changes how lists are shown, ``exports`` writes files about runs, ``tests`` is all of Test
mode; ``texts`` and ``algorithms`` are Build mode: the text in the editor, and the list; ``drafts`` is what
both ask about drafts. Each holds the app's state and changes it. No controller imports a pane or a screen.
"""
