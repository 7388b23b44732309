"""While ``w2v-train`` works: its events reach the terminal and files, and signals can end it."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path

from ..errors import ClusterError, W2VError
from ..events import Event, Warned
from ..system.paths import shell_path
from ..training.event_log import LOG_NAME, EventLog
from ..training.model import Model
from ..vectors.formats.registry import format_for, without_ngrams
from .default_output import unused
from .destination import Destination
from .reading import phrases_to
from .report import TrainReport
from .request import Request
from .signals import StopSignals


class Session:
    """A run in the terminal: reports its events, lets signals end it, writes its vectors.

    Parameters
    ----------
    stack : ExitStack
        Closes what is opened here.
    signals : StopSignals
        Those of the command.
    request : Request
        The run.
    quiet : bool
        Show warnings only.
    log, phrases_out : Path or None
        Files for the events and for the phrases. Without a log, the events of a run with a folder
        go to a log there.
    """

    def __init__(
        self,
        stack: ExitStack,
        signals: StopSignals,
        request: Request,
        *,
        quiet: bool,
        log: Path | None,
        phrases_out: Path | None,
    ) -> None:
        self._stack, self._signals, self._request = stack, signals, request
        self._report = stack.enter_context(closing(TrainReport(quiet)))
        self._log = self._open_log(log, append=request.resumes) if log else None
        self._write_phrases = phrases_to(phrases_out) if phrases_out else None
        self._is_training = self._has_folder = self._has_begun = False
        self._n_steps = self._n_kept_steps = 0  # of the run, and of its last checkpoint

    def on_event(self, event: Event) -> None:
        """Report an event, and raise an exception if a signal has come that ends the run."""
        if self._request.destination:
            self._follow(event, self._request.destination)
        # LLVM calls back into Python, where an exception would be printed and lost. A step
        # that is cut short cannot be kept: train() writes a checkpoint if this raises.
        signals = self._signals
        signals.compiling = event["event"] == "compile" and not self._is_training
        signals.deferred = self._is_training or signals.compiling
        self._report(event)
        self._has_begun |= event["event"] in {"read", "start"}
        if self._log:
            self._log(event)
        if self._write_phrases:
            self._write_phrases(event)
        signals.check()

    def told_how_to_resume(self, error: ClusterError) -> ClusterError:
        """Return an error that ends a run, with what is left of the run."""
        destination = self._request.destination
        if destination and self._is_training:
            return ClusterError(
                f"{error}; the last checkpoint is of round {self._n_kept_steps:,} of "
                f"{self._n_steps:,}, from which to resume: {self._how_to_resume(destination)}"
            )
        if destination and self._has_folder:
            return ClusterError(f"{error}; resume with: {self._how_to_resume(destination)}")
        if self._has_begun:
            return ClusterError(f"{error}; the run is lost: --run-dir DIR would have kept it")
        return error

    def _how_to_resume(self, destination: Destination) -> str:
        """Return the command that resumes the run, on machines like those that it has."""
        return destination.how_to_resume() + self._machines()

    def _machines(self) -> str:
        """Return the option that names the machines of the run, if it has several."""
        cluster = self._request.arguments.get("cluster")
        if isinstance(cluster, int):
            return f" --workers {cluster}"
        return f" --scheduler {shell_path(cluster)}" if cluster else ""

    def save(self, model: Model) -> None:
        """Write the vectors of the finished run."""
        request = self._request
        output = request.output
        if not request.is_named and (output := unused(output)) != request.output:
            self._report(Warned(f"{request.output}: was made meanwhile, and is left as it is"))
            if request.destination:
                request.destination.keep(output, request.vectors, request.scoring)
        try:
            is_default = request.vectors == model.objective.kinds[0]
            if is_default and format_for(output).name == "safetensors":
                model.save(output)  # all of it, not these vectors alone
            else:
                vectors = model.vectors(request.vectors)
                if model.objective.is_composed and vectors.subwords is None:
                    self._report(without_ngrams())
                vectors.save(output, on_event=self._report)
        except W2VError as error:
            if not request.destination:
                raise
            from ..runs.names import resume_command

            how = f"{resume_command(request.destination.name)}{self._machines()} -o PATH"
            if request.scoring:
                how += f" {request.scoring}"
            if self._n_kept_steps == self._n_steps:
                is_best = "--keep-best" in request.scoring
                kept = "vectors of the best epoch" if is_best else "trained vectors"
                raise W2VError(f"{error}; the {kept} are kept: {how}") from error
            raise W2VError(
                f"{error}; the last checkpoint is of step {self._n_kept_steps:,} of "
                f"{self._n_steps:,}, from which to resume: {how}"
            ) from error
        self._report.saved(output)
        if self._log:
            self._log.finish(output=str(output))

    def _follow(self, event: Event, destination: Destination) -> None:
        """Note how far a run with a folder is, and what to tell the user if a signal ends it."""
        match event["event"]:
            case "folder":
                self._has_folder = True
                request = self._request
                destination.keep(request.output, request.vectors, request.scoring)
                if not self._log:
                    self._log = self._open_log(destination.run_dir / LOG_NAME, append=True)
            case "start":
                self._is_training = self._signals.saves = True
                self._n_steps, self._n_kept_steps = event["steps"], event["first_step"]
                self._signals.note = f"; resume with: {self._how_to_resume(destination)}"
            case "checkpoint":
                self._n_kept_steps = event["step"]
                self._signals.note = (
                    f" at step {event['step']:,}; resume with: {self._how_to_resume(destination)}"
                )
            case "done":
                self._is_training = False

    def _open_log(self, path: Path, append: bool) -> EventLog:
        log = EventLog(path, self._report, append=append)
        return self._stack.enter_context(closing(log))
