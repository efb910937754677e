"""The forms of Test mode without a screen: pure functions of a draft.

Read ``fields`` (the rows of each tab), then ``changes`` (what a text or a choice makes of the draft) and
``blockers`` (what stands before a launch).
"""
