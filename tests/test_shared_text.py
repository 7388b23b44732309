"""How a text is cut for the workers of a cluster: each line once, whatever the cuts."""

import gzip
from itertools import pairwise

import numpy as np
import pytest

pytest.importorskip("distributed")

from w2v_sparseadam.distributed import machines
from w2v_sparseadam.distributed.machines import count_groups, sizes_by_source
from w2v_sparseadam.distributed.text_settings import config_for_client
from w2v_sparseadam.distributed.word_counts import count_words_of, merge_counts
from w2v_sparseadam.distributed.word_ids import KnownWords, word_ids_of
from w2v_sparseadam.text.corpus import read_corpus
from w2v_sparseadam.text.reading.parts import Part, text_parts
from w2v_sparseadam.text.reading.reader import check_corpus
from w2v_sparseadam.text.settings import TextConfig
from w2v_sparseadam.training.settings import Settings


@pytest.fixture
def folder(tmp_path):
    """Return a folder of plain files, large and small, a compressed one and an empty one."""
    random = np.random.default_rng(5)

    def text(n_lines):
        lines = [
            " ".join(random.choice(list("abcdefg"), random.integers(0, 9))) for _ in range(n_lines)
        ]
        return "\n".join(lines).encode()

    (tmp_path / "1.txt").write_bytes(text(300))
    (tmp_path / "2.txt").write_bytes(b"")
    (tmp_path / "3.txt.gz").write_bytes(gzip.compress(text(200)))
    (tmp_path / "4.txt").write_bytes(b"\xef\xbb\xbf" + text(20) + b"\n")
    (tmp_path / "5.txt").write_bytes(text(3))
    return tmp_path


@pytest.mark.parametrize("part_bytes", [100, 1000, 1 << 26])
def test_all_is_counted_and_trained_once(folder, part_bytes, monkeypatch):
    monkeypatch.setattr(machines, "PART_BYTES", part_bytes)
    config = config_for_client(TextConfig(min_count=1))
    settings = Settings(text=config)
    sources = check_corpus(folder, config)
    groups = count_groups(sources, settings)
    flat = [source for group in groups for source in group]
    assert [
        s.source if isinstance(s, Part) else s
        for s in flat
        if not isinstance(s, Part) or not s.begin
    ] == sources
    counted = merge_counts([count_words_of(group, config) for group in groups], 1000)
    sizes = sizes_by_source(sources, groups, counted.text_sizes)
    with read_corpus(sources, config) as whole:
        assert sum(sizes) == whole.report.n_text_bytes
        known = KnownWords(whole.vocabulary, config)
        total = sum(sizes)
        for n in (1, 7, 64):
            cuts = [total * k // n for k in range(n + 1)]
            ids = [word_ids_of(text_parts(sources, sizes, *cut), known) for cut in pairwise(cuts)]
            assert np.array_equal(np.concatenate(ids), whole.word_ids)


def test_large_plain_files_are_counted_in_parts_and_small_ones_together(folder, monkeypatch):
    monkeypatch.setattr(machines, "PART_BYTES", 1000)
    config = TextConfig(min_count=1)
    sources = check_corpus(folder, config)
    groups = count_groups(sources, Settings(text=config))
    first = [group for group in groups if isinstance(group[0], Part)]
    assert len(first) == -(-sources[0].n_bytes // 1000)
    assert [s.name for s in groups[-1]][-2:] == [str(folder / "4.txt"), str(folder / "5.txt")]
