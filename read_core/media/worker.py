"""One thread that works while its caller goes on, with a bound on the bytes that wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class Worker:
    """Calls functions in the order in which they were given, in one thread, and none after one that failed.

    Not for several callers at once. The thread starts with the first function.

    Args:
        name: name of the thread.
        limit: most bytes that the functions which have not returned may hold.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.limit = limit
        self._thread = ThreadPoolExecutor(1, name)
        self._given: deque[tuple[Future[None], int]] = deque()
        self._failed = False

    def do(self, work: Callable[[], None], size: int) -> None:
        """Let the thread call ``work``, which holds ``size`` bytes; first wait until there is room for them.

        Raises:
            BaseException: what an earlier function raised; ``work`` is not called then.
        """
        self._wait(self.limit - size)
        self._given.append((self._thread.submit(self._call, work), size))

    def wait(self) -> None:
        """Wait until all functions have returned.

        Raises:
            BaseException: what the first that failed has raised.
        """
        self._wait(0)

    def end(self) -> None:
        """Wait for the function that runs now, forget those behind it, and end the thread."""
        self._thread.shutdown(cancel_futures=True)
        self._given.clear()

    def _call(self, work: Callable[[], None]) -> None:
        if self._failed:
            return
        try:
            work()
        except BaseException:
            self._failed = True
            raise

    def _wait(self, room: int) -> None:
        """Wait until at most ``room`` bytes are held, or none; raise what those that returned have raised."""
        while self._given and (self._given[0][0].done() or sum(size for _, size in self._given) > room):
            self._given.popleft()[0].result()
