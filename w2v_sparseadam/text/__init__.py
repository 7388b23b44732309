"""From corpus files to word ids on disk."""

from .corpus import Corpus, TextConfig, TextReport, read_corpus
from .tokenizers import whitespace, word
from .vocabulary import LINE_END, Vocabulary

__all__ = [
    "LINE_END",
    "Corpus",
    "TextConfig",
    "TextReport",
    "Vocabulary",
    "read_corpus",
    "whitespace",
    "word",
]
