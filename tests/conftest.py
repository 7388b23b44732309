"""What the tests share: settings of hypothesis and Numba, and a planner of batches."""

import signal

import numba
import numpy as np
import pytest
from hypothesis import settings
from reference import pair_weights

from w2v_sparseadam.objectives.windows.plan import (
    BLOCK,
    BatchPlan,
    PlanScratch,
    fill_plan,
)
from w2v_sparseadam.objectives.windows.sampler import Sampler
from w2v_sparseadam.simd.kernels import for_python
from w2v_sparseadam.simd.random import draw_key

JIT = not numba.config.DISABLE_JIT

# The first example compiles, hence no deadline; interpreted kernels are slow, hence fewer.
settings.register_profile(
    "w2v", derandomize=True, deadline=None, max_examples=100 if JIT else 20, database=None
)
settings.load_profile("w2v")


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory):
    """Keep away from the user's own files, in processes that are started, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


def pytest_configure(config):
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:
        # As under nohup; some tests hang up the processes that they start.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # As in a shell's background job; some tests interrupt themselves.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not JIT:
        # Hashes wrap around on purpose; NumPy's scalars, unlike compiled code, warn of it.
        config.addinivalue_line("filterwarnings", "ignore:overflow encountered:RuntimeWarning")


_fill_plan = for_python(fill_plan)


class Planner:
    """Plans batches of one text into the same room each time, as the engine does."""

    def __init__(
        self,
        word_ids,
        *,
        counts=None,
        window=5,
        n_shared=16,
        subsample=0.0,
        noise_exponent=0.75,
        dynamic=True,
        centers_first=True,
        ngrams=(),
        seed=1,
        capacity=None,
    ):
        self.word_ids = np.asarray(word_ids, np.int32)
        if counts is None:
            words = self.word_ids[self.word_ids >= 0]
            counts = np.maximum(1, np.bincount(words, minlength=1))
        self.counts = np.asarray(counts, np.int64)
        self.window, self.dynamic, self.seed = window, dynamic, seed
        self.centers_first = centers_first
        self.sampler = Sampler.build(self.counts, subsample, noise_exponent, n_shared)
        self.ngrams = ngrams
        n_rows = [self.counts.size, self.counts.size]
        n_ngrams = None
        for each in ngrams:  # one, if words are composed of them
            n_rows.append(each.buckets.size)
            n_ngrams = 10 * int(np.diff(each.starts).max()) * (self.word_ids.size + 2 * window)
        self._room = BatchPlan.allocate(
            capacity or max(1, self.word_ids.size),
            window,
            n_shared,
            centers_first=centers_first,
            n_ngrams=n_ngrams,
        )
        self._scratch = PlanScratch.allocate(n_rows, self._room)

    def key(self, use="position", epoch=0):
        return draw_key(self.seed, use, epoch)

    def plan(self, start=0, stop=None, epoch=0):
        """Return the plan of a range of positions, which lasts until the next is planned."""
        stop = self.word_ids.size if stop is None else stop
        keys = np.array([self.key("position", epoch), self.key("negative", epoch)])
        _fill_plan(
            self.word_ids,
            start,
            stop,
            self.sampler,
            self.ngrams,
            keys,
            self.dynamic,
            self.centers_first,
            self._scratch,
            self._room,
        )
        return self._room

    def examples(self, plan):
        """Read a plan as (center, contexts, negatives, weights) for each center."""
        window = (plan.tokens.size - plan.n_left.size) // 2
        examples = []
        for i in range(plan.n_centers[0]):
            place = i + window
            left = plan.tokens[place - plan.n_left[i] : place]
            right = plan.tokens[place + 1 : place + 1 + plan.n_right[i]]
            negatives = plan.negatives[i // BLOCK].tolist()
            contexts = [*left.tolist(), *right.tolist()]
            weights = pair_weights(plan.n_left[i], plan.n_right[i], window, self.dynamic)
            examples.append((int(plan.tokens[place]), contexts, negatives, weights))
        return examples


@pytest.fixture(scope="session")
def planner():
    return Planner
