"""What is read from disk and written to it; the course stands on it, and you need not read it on the way."""
