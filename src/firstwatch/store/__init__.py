"""The store: what must survive is a row here before it is an act.

``database`` opens it and holds the one Writer; one module per noun reads and writes its rows.
"""
