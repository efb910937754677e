"""Bad inputs, drawn from a seed: whatever is given to a command, it answers with a sentence."""
