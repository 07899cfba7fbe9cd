"""The calls of an async function, awaited together on an event loop of the sandbox.

The loop lives as long as the sandbox, so that what a function keeps between calls (locks, queues, caches) stays usable. It has no
sockets: it can wait for time and for other coroutines, which is all there is in a sandbox.
"""

import asyncio
import inspect

import _vivarium

_loop = None


async def _await(awaitable):
    return await awaitable


async def _gather(calls):
    # A coroutine of ours around each call: tasks take coroutines only, and a call may return any awaitable.
    tasks = [asyncio.ensure_future(_await(call)) for call in calls]
    return await asyncio.gather(*tasks, return_exceptions=True)


def _prepared(call):
    """(an outcome that is known already, or None; whether there is something to await)"""
    if call is None:
        return (None, None), False
    if isinstance(call, BaseException):
        return (None, call), False
    if not inspect.isawaitable(call):
        name = type(call).__name__
        return (None, _vivarium.ResultError(f"result: {name}; an async function returns an awaitable")), False
    return None, True


def _outcome(result):
    return (None, result) if isinstance(result, BaseException) else (result, None)


def _drop(loop):
    global _loop
    _loop = None
    for task in asyncio.all_tasks(loop):
        task.cancel()
    try:
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
    except BaseException:
        pass  # it is thrown away because something worse is on its way


def together(calls):
    """One outcome for every call: (value, None) or (None, exception). None among the calls stands for a row without one."""
    global _loop
    if _loop is None:
        _loop = asyncio.new_event_loop()
    outcomes, waiting = [], []
    for index, call in enumerate(calls):
        outcome, awaited = _prepared(call)
        outcomes.append(outcome)
        if awaited:
            waiting.append(index)
    try:
        results = _loop.run_until_complete(_gather([calls[index] for index in waiting])) if waiting else []
    except BaseException:
        _drop(_loop)
        for call in calls:
            if inspect.iscoroutine(call):
                call.close()  # those that never began
        raise
    for index, result in zip(waiting, results):
        outcomes[index] = _outcome(result)
    return outcomes
