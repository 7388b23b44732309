"""Whatever has the attributes of `Stepper` takes the steps of a run."""

from w2v_sparseadam import train
from w2v_sparseadam.training import build


class Counting:
    """Has what `Stepper` asks for, and nothing else."""

    def __init__(self, inner):
        self._inner, self.n_taken = inner, 0
        self.tables, self.n_batches = inner.tables, inner.n_batches
        self.buffer_bytes, self.n_threads = inner.buffer_bytes, inner.n_threads
        self.most_steps, self.is_whole = inner.most_steps, inner.is_whole

    def run(self, first_step, lrs):
        self.n_taken += len(lrs)
        return self._inner.run(first_step, lrs)

    def last_rows(self):
        return self._inner.last_rows()

    def has_neighbours(self):
        return self._inner.has_neighbours()


def test_a_run_needs_only_what_the_protocol_lists(tmp_path, monkeypatch):
    text = tmp_path / "text.txt"
    text.write_text("the cat sat on the mat\n" * 100)
    settings = {"optimizer": "sgd", "dim": 16, "epochs": 2, "min_count": 1}
    alone = train(text, **settings)
    made = []
    build_engine = build.build_engine

    def build_counting(*arguments, **named):
        made.append(Counting(build_engine(*arguments, **named)))
        return made[-1]

    monkeypatch.setattr(build, "build_engine", build_counting)
    model = train(text, **settings, run_dir=tmp_path / "run")
    assert model.vectors().matrix.tobytes() == alone.vectors().matrix.tobytes()
    assert made[-1].n_taken == 2 * made[-1].n_batches
