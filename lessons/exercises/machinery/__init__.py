"""What the exercises stand on, and nobody needs to read to do them.

cases (the inputs of a call), running (calling the learner's code), comparing (form and numbers), mistakes and edits (what a
wrong answer looks like), examining (all of it, once), progress and watching (python -m lessons --exercises).
"""
