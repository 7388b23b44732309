"""The folder of a run at a URL: a copy on this machine to work in, and its way to the URL.

A run trains in the copy as in any folder. A thread writes to the URL what has changed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from ..errors import W2VError
from ..events import (
    CheckpointWritten,
    Emit,
    Event,
    FolderLocked,
    TextAdded,
    TrainingStarted,
    Warned,
)
from ..system.paths import shell_path
from ..system.workers import start_thread
from ..text.reading.remote import refuse_password
from ..text.reading.sources import is_url
from .names import resume_command
from .remote_folder import RemoteFolder


@contextmanager
def local_folder(
    run_dir: str | os.PathLike[str], *, is_new: bool, lock: bool
) -> Iterator[tuple[str | os.PathLike[str], Callable[[Emit], Emit]]]:
    """Give the folder of a run on this machine, and what is to be wrapped around its log.

    Nothing is done for a run that is kept on this machine.

    Parameters
    ----------
    run_dir : path, URL or WorkingCopy
        A copy is left open.
    is_new, lock : bool
        As for `WorkingCopy`.
    """
    if isinstance(run_dir, WorkingCopy):
        yield run_dir.path, run_dir.following
    elif is_url(os.fspath(run_dir)):
        with WorkingCopy(os.fspath(run_dir), is_new=is_new, lock=lock) as copy:
            yield copy.path, copy.following
    else:
        yield run_dir, lambda emit: emit


class WorkingCopy(os.PathLike[str]):
    """A folder on this machine, for a run that is kept at a URL; a context manager.

    It is filled from the URL when it is opened, brought there when it is closed, and removed.
    Messages name the URL instead.

    Parameters
    ----------
    url : str
        Of any file system that fsspec can write to.
    is_new : bool
        Whether the run is to begin.
    lock : bool
        Whether to stop when another process takes the run over.

    Attributes
    ----------
    path : Path
        The folder.
    """

    def __init__(self, url: str, *, is_new: bool, lock: bool = True) -> None:
        refuse_password(url)
        self.url = url
        self._is_new = is_new
        process = f"process {os.getpid()} on {socket.gethostname()}"
        self._own_name = f"{process} {secrets.token_hex(8)}" if lock else None
        self._is_claimed = self._is_due = False
        self._writing: threading.Thread | None = None
        self._failure: Exception | None = None
        self._taken_over_by: str | None = None

    def __fspath__(self) -> str:
        """Return the path of the folder."""
        return str(self.path)

    def __enter__(self) -> WorkingCopy:
        """Fetch what a run needs.

        Raises
        ------
        W2VError
            If the URL cannot be read, holds no run to resume or something else than one, or more
            than there is room for.
        FormatError
            If its settings are damaged.
        """
        self.path = Path(tempfile.mkdtemp(prefix="w2v-run-"))
        try:
            self._remote = RemoteFolder(self.url, self.path, is_new=self._is_new)
            self._remote.fetch()
        except BaseException as error:
            self._rename(error)
            shutil.rmtree(self.path, ignore_errors=True)
            if isinstance(error, OSError):
                raise W2VError(f"{self.url}: cannot be read ({error})") from error
            raise
        return self

    def __exit__(self, _: object, error: BaseException | None, *__: object) -> None:
        """Bring the last changes to the URL and remove the folder.

        Raises
        ------
        W2VError
            If that fails: says where the folder is. After an exception, it is a warning.
        """
        if self._writing:
            self._writing.join()
        self._rename(error)
        if self._is_claimed and not self._taken_over_by:
            self._write()
        if self._failure:
            message = (
                f"{self.url}: cannot be written ({self._failure}); the run is kept in "
                f"{self.path}: {resume_command(self.path)}"
            )
            if error is None:
                raise W2VError(message)
            self._warn(message, quietly=True)
            return
        if self._taken_over_by and error is None:
            self._warn(f"{self.url}: {self._taken_over_by} took the run over before its end")
        elif self._is_claimed and self._own_name and not self._taken_over_by:
            with suppress(OSError):
                self._remote.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def following(self, emit: Emit) -> Emit:
        """Return who is to be told of events, so that their files follow to the URL.

        Each event is passed on. Then W2VError may be raised: if the URL cannot be written at the
        start, or another process has taken the run over.
        """
        self._emit = emit

        def follow(event: Event) -> None:
            if isinstance(event, Warned):
                event = replace(event, message=self._named(event.message))
            if isinstance(event, FolderLocked):
                event = replace(event, path=self.url)
            emit(event)
            if isinstance(event, FolderLocked):
                self._claim()
            if isinstance(event, TrainingStarted | CheckpointWritten | TextAdded):
                self._is_due = True
            self._poll()

        return follow

    def _claim(self) -> None:
        """Take the run over, and write what there is of it by now."""
        try:
            if self._own_name and (holder := self._remote.holder(self._own_name)):
                self._warn(f"{self.url}: taken over from {holder}, which stops if it still trains")
            self._remote.claim(self._own_name)
            self._is_claimed = True
            self._write()
            if self._failure:
                raise self._failure
        except OSError as error:
            self._is_claimed, self._failure = False, None
            raise W2VError(
                f"{self.url}: cannot be written ({error}); name another folder"
            ) from error

    def _poll(self) -> None:
        """Report what the thread has met, and start it if something is due."""
        if not self._is_claimed or (self._writing and self._writing.is_alive()):
            return
        if self._taken_over_by:
            raise W2VError(f"{self.url}: {self._taken_over_by} has taken the run over")
        if self._failure:
            failure, self._failure = self._failure, None
            self._warn(
                f"{self.url}: cannot be written ({failure}); training goes on, and it is tried "
                "again after the next checkpoint"
            )
        if self._is_due:
            self._is_due = False
            try:
                self._writing = start_thread(self._write, daemon=False)
            except W2VError:
                self._write()

    def _write(self) -> None:
        """Write to the URL what has changed; note what fails."""
        try:
            if self._own_name:
                self._taken_over_by = self._remote.holder(self._own_name)
            if not self._taken_over_by:
                self._remote.write()
            self._failure = None
        except OSError as error:
            self._failure = error

    def _warn(self, message: str, quietly: bool = False) -> None:
        """Tell of something odd; quietly, whatever who is told raises."""
        with suppress(Exception, KeyboardInterrupt) if quietly else nullcontext():
            self._emit(Warned(message))

    def _rename(self, error: BaseException | None) -> None:
        """Let an error name the URL."""
        if isinstance(error, W2VError):
            error.message, error.advice = self._named(error.message), self._named(error.advice)
            error.args = error.message, error.advice

    def _named(self, text: str) -> str:
        """Return a message that names the URL instead of the folder."""
        path, url = str(self.path), shell_path(self.url)
        for option in ("--resume", "--run-dir"):
            text = text.replace(f"{option} {path}", f"{option} {url}")
        return text.replace(path, self.url)
