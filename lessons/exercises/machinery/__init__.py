"""What the exercises stand on, and nobody needs to read to do them.

cases       the inputs of a call, and a table of mistakes read from text
running     calling the learner's code; whatever happens becomes a sentence, and it ends
comparing   what it gave beside what is right: number, kind and shape of the outputs, then numbers
mistakes    what a wrong output looks like: first the exercise's table, then
  facts       plain relations: a factor, a sign, an order
  edits       the right function with one place changed
  sums        the right terms with other factors
  places      where it is wrong
  probing     what it follows when one input changes
examining   all of it, once
progress    python -m lessons --exercises
watching    python -m lessons --exercises --watch
"""
