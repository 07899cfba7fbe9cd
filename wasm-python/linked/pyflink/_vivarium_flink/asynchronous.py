"""Async scalar functions, without the threads that PyFlink's operation runs them in: the calls of a message are awaited together."""

import asyncio

from pyflink.fn_execution.table.async_function import operations
from pyflink.table import FunctionContext


class AsyncScalarOperation(operations.AsyncScalarFunctionOperation):
    """PyFlink's operation with an event loop of its own. Results keep the order of their rows."""

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
        for result in asyncio.run(self._all(rows)):
            self._output_processor.process_outputs(None, result)
        self._update_gauge(self.base_metric_group)

    async def _all(self, rows):
        free = asyncio.Semaphore(max(1, self._capacity))

        async def one(row):
            async with free:
                return [await self._one(row)]

        return await asyncio.gather(*map(one, rows))

    async def _one(self, row):
        attempts = self._max_attempts if self._retry_enabled else 1
        async with _Deadline(self._timeout, row):
            for attempt in range(1, attempts + 1):
                try:
                    result = self._eval_func(row)
                    return await result if asyncio.iscoroutine(result) else result
                except Exception:
                    if attempt == attempts:
                        raise
                    await asyncio.sleep(self._retry_delay)


class _Deadline:
    """`asyncio.timeout` with PyFlink's message; no time is no limit."""

    def __init__(self, seconds, row):
        self._limit = asyncio.timeout(seconds if seconds > 0 else None)
        self._row = row

    async def __aenter__(self):
        await self._limit.__aenter__()

    async def __aexit__(self, kind, error, traceback):
        try:
            return await self._limit.__aexit__(kind, error, traceback)
        except TimeoutError:
            raise TimeoutError(f"Async function call has timed out for input: {self._row}") from None


def install():
    """Has PyFlink make this operation in place of its own."""
    operations.AsyncScalarFunctionOperation = AsyncScalarOperation
