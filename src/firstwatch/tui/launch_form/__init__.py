"""The launch form without a screen: pure functions of a draft and a snapshot.

Read ``draft`` (the fields), then ``assessment`` (what is wrong, what comes next), ``remedies`` (what the form
can do about a check), ``outcome`` (what a launch would do, in lines), ``folded`` (a run's settings in three
lines), ``toml_form`` (a launch as a file), then ``parse`` (texts of the fields into values and back).
"""
