"""The launch form without a screen: pure functions of a draft and a snapshot.

Read ``draft`` (the fields), then ``assessment`` (what is wrong, what comes next), then ``parse`` (texts of
the fields into values and back).
"""
