"""What gensim calls the attributes of word vectors and models, and what they are called here."""

from __future__ import annotations

from collections.abc import Mapping

OF_VECTORS = {
    "index_to_key": "words",
    "index2word": "words",
    "index2entity": "words",
    "key_to_index": "word_ids",
    "vocab": "word_ids",
    "get_index": "word_ids[word]",
    "has_index_for": "word in vectors",
    "vectors": "matrix",
    "syn0": "matrix",
    "vector_size": "dim",
    "get_normed_vectors": "unit_matrix",
    "vectors_norm": "unit_matrix",
    "word_vec": "get_vector(word)",
    "get_vecattr": "counts[word_ids[word]]",
    "similar_by_word": "most_similar(word)",
    "similar_by_key": "most_similar(word)",
    "similar_by_vector": "most_similar(vector)",
    "distance": "1 - similarity(a, b)",
    "save_word2vec_format": "save(path)",
    "load_word2vec_format": "Vectors.load(path)",
    "evaluate_word_pairs": "w2v_sparseadam.evaluation.scores",
    "evaluate_word_analogies": "w2v_sparseadam.evaluation.scores",
}

OF_MODEL = {
    "vector_size": "dim",
    "layer1_size": "dim",
    "syn1neg": "context_vectors",
    "corpus_count": "counts",
    "get_latest_training_loss": "loss",
    "train": "w2v_sparseadam.train(corpus), or resume(run_dir, add=corpus)",
    "build_vocab": "w2v_sparseadam.train(corpus), which counts the words, too",
}


def no_attribute(thing: object, name: str, others: Mapping[str, str]) -> AttributeError:
    """Return the error for an attribute that does not exist, with the name that it has here."""
    message = f"{type(thing).__name__!r} object has no attribute {name!r}"
    advice = f"; use {others[name]}" if name in others else ""
    return AttributeError(message + advice, name=name, obj=thing)
