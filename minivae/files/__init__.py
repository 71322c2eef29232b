"""What is read from disk and written to it; the course stands on it, and can be read without it."""
