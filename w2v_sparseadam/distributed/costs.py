"""What rounds on several machines take of memory, network and time: arithmetic.

The letters of the equations:

- S: bytes of the state, the tables with what the optimizer keeps for them
- N, W: shards of a round, workers
- k = ⌈N / W⌉: shards that the busiest worker trains in a round
- f: share of S that a shard changes, as only rows that moved are sent
"""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Load:
    """What the costs of a round depend on.

    Attributes
    ----------
    state_bytes : int
        S.
    changed : float
        f, from 0 to 1.
    n_shards, n_workers : int
        N and W, 1 or more.
    """

    state_bytes: int
    changed: float
    n_shards: int
    n_workers: int

    @property
    def shards_each(self) -> int:
        """k."""
        return -(-self.n_shards // self.n_workers)

    @property
    def n_busy(self) -> int:
        """Workers that train a shard."""
        return min(self.n_shards, self.n_workers)

    @property
    def change_bytes(self) -> float:
        """f S: what one shard hands over."""
        return self.changed * self.state_bytes


def worker_bytes(load: Load) -> int:
    """Return what the state takes of the memory of the busiest worker, at most.

    While it trains its last shard, it holds the blocks that the round began with, the tables, and
    what its shards have changed:

        S + S + max(1, k f) S,

    where the 1 stands for the blocks of the round before, until they are with the client. While it
    merges its share of the rows, it holds those blocks, what its shards have changed, what other
    shards have changed in its share, and the merged rows:

        S + k f S + (N − k) f S / W + S / W.
    """
    state, k = load.state_bytes, load.shards_each
    training = 2 * state + max(state, k * load.change_bytes)
    received = (load.n_shards - k) * load.change_bytes / load.n_workers
    merging = state + k * load.change_bytes + received + state / load.n_workers
    return int(max(training, merging))


def client_bytes(load: Load) -> int:
    """Return what the state takes of the client's memory: the tables, and all blocks on arrival.

    2 S
    """
    return 2 * load.state_bytes


@dataclass(frozen=True)
class Sent:
    """Bytes that are sent in a round.

    Attributes
    ----------
    to_each : float
        What the busiest worker receives from others; it sends about as much.
    between_workers : float
        What all workers receive.
    to_client : float
        What the client receives.
    """

    to_each: float
    between_workers: float
    to_client: float


def sent(load: Load) -> Sent:
    """Return the bytes that are sent in a round after the first.

    Each worker that trains gets the blocks that others have, and what other workers' shards have
    changed in the blocks that it merges:

        S (W − 1) / W + (N − k) f S / W.

    The client gets S. Before the first round it also sends S.
    """
    state, n = load.state_bytes, load.n_workers
    blocks = state * (n - 1) / n
    changes = load.n_shards * load.change_bytes * (n - 1) / n
    received = (load.n_shards - load.shards_each) * load.change_bytes / n
    return Sent(blocks + received, load.n_busy * blocks + changes, state)


@dataclass(frozen=True)
class Rates:
    """How fast a worker is.

    Attributes
    ----------
    tokens_per_s : float
        Training, on all its threads.
    text_bytes_per_s : float
        Reading text into word ids.
    copied_bytes_per_s : float
        Filling tables with blocks.
    merged_bytes_per_s : float
        Merging: bytes of changes.
    network_bytes_per_s : float
        Into a machine, and at the same time out of it.
    fixed_seconds : float
        Of a round that has nothing to read, train, merge or send: Dask's own work.
    shard_seconds : float
        Of a shard before its first step.
    """

    tokens_per_s: float
    text_bytes_per_s: float
    copied_bytes_per_s: float
    merged_bytes_per_s: float
    network_bytes_per_s: float
    fixed_seconds: float = 0.0
    shard_seconds: float = 0.0


@dataclass(frozen=True)
class RoundTime:
    """Seconds of the parts of a round."""

    reading: float
    training: float
    copying: float
    merging: float
    sending: float
    fixed: float

    @property
    def seconds(self) -> float:
        """The whole round."""
        parts = self.reading, self.training, self.copying, self.merging, self.sending, self.fixed
        return sum(parts)


def round_time(load: Load, rates: Rates, n_tokens: float, n_bytes: float) -> RoundTime:
    """Return the seconds of a round, of so many tokens in so many bytes of text.

    With the rates r:

        reading   k bytes / (N r)
        training  k tokens / (N r)
        copying   k (1 + f) S / r
        merging   N f S / (W r)
        sending   of what `sent` says the busiest worker receives
        fixed     that of a round, and k times that of a shard

    The client fetches the state while the next round is trained. A round does not end before that,
    which lengthens it where S / r of the network exceeds the rest.
    """
    k, n_shards = load.shards_each, load.n_shards
    time = RoundTime(
        reading=k * n_bytes / n_shards / rates.text_bytes_per_s,
        training=k * n_tokens / n_shards / rates.tokens_per_s,
        copying=k * (load.state_bytes + load.change_bytes) / rates.copied_bytes_per_s,
        merging=n_shards * load.change_bytes / load.n_workers / rates.merged_bytes_per_s,
        sending=sent(load).to_each / rates.network_bytes_per_s,
        fixed=rates.fixed_seconds + k * rates.shard_seconds,
    )
    fetching = sent(load).to_client / rates.network_bytes_per_s
    return replace(time, sending=time.sending + max(0.0, fetching - time.seconds))
