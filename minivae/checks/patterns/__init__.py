"""The mistakes that are known by name, a function each; diagnosis.py puts them in order."""
