"""The words of the trade. Pure: no input or output, no thread, no library but pydantic."""
