"""Checking: arguments, gradients, and what a mistake looks like."""
