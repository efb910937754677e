"""The lists of Run Info and Run Metrics, a module each: columns, lines, and what is said while it is empty.

Of Run Info ``active``, ``history`` and ``positions`` list runs; ``orders``, ``trades``, ``journal`` and
``config`` are about one run. ``summary`` and ``performance`` are of Run Metrics, ``tests`` and ``found`` of
Test mode, ``algorithms`` of Build mode; ``cells`` has the cells that several of them share. All of it is
text made from views: no widget.
"""
