"""no_grad: inside it no graph is built; and who listens to what is built outside."""

import contextlib
import contextvars
import functools
import inspect

# One of each for each thread and task.
recording = contextvars.ContextVar("recording", default=True)
listener = contextvars.ContextVar("listener", default=None)  # told of each recorded operation


def no_grad(function=None):
    """Inside `with no_grad():` no graph is built: results need no gradient and hold no memory.

    Only the thread or task that entered it is concerned. As a decorator, @no_grad or @no_grad(), it
    covers a function's body, and a generator's whenever it runs.
    """
    return _NoGrad() if function is None else _NoGrad()(function)


class _NoGrad(contextlib.ContextDecorator):
    def __init__(self):
        self._before = []  # a stack, since one object may be entered inside itself

    def _recreate_cm(self):
        return _NoGrad()  # a decorated function may run in two threads at once

    def __enter__(self):
        self._before.append(recording.set(False))

    def __exit__(self, *exception):
        recording.reset(self._before.pop())

    def __call__(self, function):
        if inspect.isgeneratorfunction(function):
            return _quiet_generator(function)
        return super().__call__(function)


def _quiet_generator(function):
    """The generator function, without recording while its own code runs, and only then."""

    @functools.wraps(function)
    def generator(*args, **kwargs):
        running = function(*args, **kwargs)
        resume = running.send
        sent = None
        while True:
            try:
                with _NoGrad():
                    given = resume(sent)
            except StopIteration as stop:
                return stop.value
            try:
                sent = yield given
                resume = running.send
            except GeneratorExit:
                running.close()
                raise
            except BaseException as error:  # thrown in from outside: the function may handle it
                sent = error
                resume = running.throw

    return generator
