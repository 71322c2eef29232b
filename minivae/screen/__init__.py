"""What the terminal and the keyboard have to do with it: a progress line, and Ctrl-C."""
