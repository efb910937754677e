"""What the screen, the command line and agents talk to: commands in, snapshots out."""
