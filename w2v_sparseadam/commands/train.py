"""``w2v-train``: from text files to a file of word vectors."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from ..errors import ClusterError
from ..system.files import check_writable
from ..training.resume import resume
from ..training.train import train_by_settings
from ..vectors.formats.registry import format_for
from .options import SectionedCommand, corpus_argument
from .report import forecast_lines
from .request import new_run, resumed_run, scoring_given
from .session import Session
from .signals import asked_by_sigusr1
from .text_options import text_options
from .train_options import train_options


class _TrainCommand(SectionedCommand):
    left_undone = "; no vectors were written"


@click.command(cls=_TrainCommand, short_help="Train word vectors on text files.")
@corpus_argument(required=False)
@text_options
@train_options
@click.pass_context
def main(
    ctx: click.Context,
    /,
    dry_run: bool,
    checkpoint_every: float,
    no_lock: bool,
    log: Path | None,
    quiet: bool,
    report: Path | None,
    phrases_out: Path | None,
    **_: Any,
) -> None:
    """Train word vectors on the text CORPUS, one sentence or paragraph per line.

    CORPUS are files, compressed or not, directories, patterns, or - for standard input.

    \b
    w2v-train corpus.txt
    w2v-train news.txt.gz books/ --dim 200 --epochs 5 -o all.bin
    w2v-train news.txt --run-dir runs/news; w2v-train --resume runs/news
    w2v-neighbors corpus.vec river
    """
    with ExitStack() as stack:
        ask = resumed_run if ctx.params["resume_dir"] else new_run
        request = ask(ctx, stack)
        page = None
        if not dry_run:
            # That vectors cannot be written so should not show after hours.
            format_for(request.output)
            check_writable(request.output)
            if report:
                from .train_report import TrainingPage

                page = TrainingPage(report)
        scoring = scoring_given(ctx, request)
        session = Session(stack, ctx.obj, request, quiet=quiet, log=log, phrases_out=phrases_out)
        arguments = {
            **request.arguments,
            "on_event": page.before(session.on_event) if page else session.on_event,
        }
        if dry_run:
            from ..training.dry_run import forecast

            for line in forecast_lines(forecast(**arguments, scoring=scoring)):
                click.echo(line)
            return
        if request.destination:
            arguments["run_dir"] = request.destination.folder
            arguments["checkpoint_minutes"] = checkpoint_every
            arguments["checkpoint_now"] = stack.enter_context(asked_by_sigusr1())
            arguments["lock"] = not no_lock
            arguments["log"] = False  # the session's also says where the vectors are
        try:
            if request.resumes:
                model = resume(**arguments, eval=scoring or (), progress=False)
            else:
                model = train_by_settings(**arguments, scoring=scoring)
        except ClusterError as error:
            raise session.told_how_to_resume(error) from error
        session.save(model)
        if page:
            ctx.obj.note = "; the vectors were written, the report was not."
            page.write(model, request)


if __name__ == "__main__":
    main()
