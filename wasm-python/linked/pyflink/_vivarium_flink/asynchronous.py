"""Async functions without the threads that PyFlink's operations run them in: the calls of a bundle are awaited together.

Results keep the order of their rows, also where a job allows another one.
"""

import asyncio
from collections.abc import Iterable

from pyflink.fn_execution.beam import beam_operations_slow
from pyflink.fn_execution.datastream.process.async_function.operation import AsyncOperation
from pyflink.fn_execution.datastream.process.input_handler import _emit_results
from pyflink.fn_execution.table.async_function import operations as tables
from pyflink.table import FunctionContext


def _all(call, rows, capacity):
    """The results of `call` for each row; no more than `capacity` run at a time."""

    async def gather():
        free = asyncio.Semaphore(max(1, capacity))

        async def one(row):
            async with free:
                return await call(row)

        return await asyncio.gather(*map(one, rows))

    return asyncio.run(gather()) if rows else []


async def _within(seconds, call, late):
    """Awaits a call; after that time, what `late` gives or raises. No time is no limit."""
    limit = asyncio.timeout(seconds if seconds > 0 else None)
    try:
        async with limit:
            return await call
    except TimeoutError:
        if not limit.expired():
            raise  # the function's own
    return late()


class AsyncScalarOperation(tables.AsyncScalarFunctionOperation):
    """Async functions of the Table API."""

    def open(self):
        self._rows = []
        for function in self.user_defined_funcs:
            function.open(FunctionContext(self.base_metric_group, self._job_parameters, **self._runtime_context))

    def close(self):
        for function in self.user_defined_funcs:
            function.close()

    def process_element(self, value):
        self._rows.append(value)

    def finish(self):
        rows, self._rows = self._rows, []
        for result in _all(self._call, rows, self._capacity):
            self._output_processor.process_outputs(None, [result])
        self._update_gauge(self.base_metric_group)

    async def _call(self, row):
        return await _within(self._timeout, self._attempts(row), lambda: self._timeout_func(row))

    async def _attempts(self, row):
        attempts = self._max_attempts if self._retry_enabled else 1
        for attempt in range(1, attempts + 1):
            try:
                result = self._eval_func(row)
                return await result if asyncio.iscoroutine(result) else result
            except Exception:
                if attempt == attempts:
                    raise
                await asyncio.sleep(self._retry_delay)


class AsyncStreamOperation(AsyncOperation):
    """Async functions of the DataStream API."""

    def __init__(self, serialized_fn, operator_state_backend):
        super().__init__(serialized_fn, operator_state_backend)
        self._capacity = self._queue._capacity
        self._elements = []

    def open(self):
        self.open_func()

    def close(self):
        self.close_func()

    def process_element(self, windowed_value, element):
        self._elements.append((windowed_value, element))

    def finish(self):
        elements, self._elements = self._elements, []
        results = _all(self._call, [record for _, (_, _, record) in elements], self._capacity)
        for (windowed_value, (timestamp, watermark, _)), result in zip(elements, results, strict=True):
            self._output_processor.process_outputs(windowed_value, _emit_results(timestamp, watermark, result, False))
        super(AsyncOperation, self).finish()

    async def _call(self, record):
        try:
            result = await _within(self._timeout, self._attempts(record), lambda: self.timeout_func(record))
        except Exception as error:
            raise RuntimeError(f"Error happens inside the class '{self.class_name}' during handling input '{record}'") from error
        if isinstance(result, Iterable):
            return result
        problem = "cannot be none" if result is None else "should be of list type"
        raise RuntimeError(
            f"The result of AsyncFunction {problem}, please check the methods 'async_invoke' and 'timeout' of class '{self.class_name}'."
        )

    async def _attempts(self, record):
        strategy, attempt = self._async_retry_strategy, 1
        while True:
            try:
                result = await self.async_invoke_func(record)
            except Exception as error:
                if not (self._exception_predicate and self._exception_predicate(error) and strategy.can_retry(attempt)):
                    raise
            else:
                if not (self._result_predicate and self._result_predicate(result) and strategy.can_retry(attempt)):
                    return result
            await asyncio.sleep(strategy.get_backoff_time_millis(attempt) / 1000)
            attempt += 1


def install():
    """Has PyFlink make these operations in place of its own."""
    tables.AsyncScalarFunctionOperation = AsyncScalarOperation
    beam_operations_slow.AsyncOperation = AsyncStreamOperation
