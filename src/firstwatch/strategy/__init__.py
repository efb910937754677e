"""What an algorithm is and what it decides. Pure: no file, no store, no venue, no clock."""
