"""``python -m firstwatch``: the same as the command ``firstwatch``."""

from firstwatch.cli import main

if __name__ == "__main__":
    main()
