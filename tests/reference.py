"""What the numeric core should compute, in plain Python and NumPy at double precision.

Written from the papers and the docstrings, with none of the kernels' tricks: every sum has its
loop, and nothing is blocked, banded, padded or shared out.
"""

import numpy as np

# Optimizers


def sum_by_row(rows, row_grads):
    """Return the distinct rows and, for each, the sum of its gradients."""
    rows = np.asarray(rows, np.int64)
    row_grads = np.asarray(row_grads, np.float64)
    row_grads = row_grads.reshape(rows.size, row_grads.shape[-1])
    sums = {}
    for row, grad in zip(rows.reshape(-1).tolist(), row_grads, strict=True):
        sums[row] = sums.get(row, 0) + grad
    return sums


class SGD:
    """θ[i] ← θ[i] − lr · g[i] for the rows i that have a gradient."""

    def __init__(self, param, lr):
        self.param = param.astype(np.float64)
        self.lr = lr
        self.state = {}

    def step(self, rows, row_grads):
        for row, grad in sum_by_row(rows, row_grads).items():
            self.param[row] -= self.lr * grad


class SparseAdam:
    """Lazy Adam: Kingma & Ba (2015) with ε beside the uncorrected √v, on touched rows only.

    With another power than ½, Padam: Chen et al. (2018), algorithm 1, with v for its maximum.
    """

    def __init__(
        self,
        param,
        lr,
        betas=(0.9, 0.999),
        eps=1e-8,
        bias_correction="global",
        power=0.5,
        n_columns=None,
    ):
        self.param = param.astype(np.float64)
        self.lr, self.betas, self.eps, self.power = lr, betas, eps, power
        self.t = 0
        self.by_row = bias_correction == "row"
        self.n_columns = n_columns or param.shape[1]
        self.state = {
            "exp_avg": np.zeros_like(self.param),
            "exp_avg_sq": np.zeros(self.second_moment_shape()),
        }
        if self.by_row:
            self.state["step"] = np.zeros(len(param), int)

    def second_moment_shape(self):
        return self.param.shape

    def square(self, grad):
        return grad**2

    def denominator(self, v, correction=1.0):
        if self.power == 0.5:
            return np.sqrt(v / correction) + self.eps
        return np.maximum(v**self.power, self.eps) / correction**self.power

    def step(self, rows, row_grads):
        self.t += 1
        m, v = self.state["exp_avg"], self.state["exp_avg_sq"]
        beta1, beta2 = self.betas
        for row, grad in sum_by_row(rows, row_grads).items():
            t = self.t
            if self.by_row:
                self.state["step"][row] += 1
                t = self.state["step"][row]
            m[row] = beta1 * m[row] + (1 - beta1) * grad
            v[row] = beta2 * v[row] + (1 - beta2) * self.square(grad)
            size = self.lr * (1 - beta2**t) ** self.power / (1 - beta1**t)
            self.param[row] -= size * m[row] / self.denominator(v[row])


class RowwiseAdam(SparseAdam):
    """The same with the mean of the squares, one number for a row."""

    def second_moment_shape(self):
        return len(self.param)

    def square(self, grad):
        return np.sum(grad**2) / self.n_columns


class Adagrad:
    """Duchi, Hazan & Singer (2011), diagonal form, on touched rows only."""

    def __init__(self, param, lr, eps=1e-10):
        self.param = param.astype(np.float64)
        self.lr, self.eps = lr, eps
        self.state = {"sum": np.zeros_like(self.param)}

    def step(self, rows, row_grads):
        for row, grad in sum_by_row(rows, row_grads).items():
            self.state["sum"][row] += grad**2
            self.param[row] -= self.lr * grad / (np.sqrt(self.state["sum"][row]) + self.eps)


class DenseAdam(SparseAdam):
    """Kingma & Ba (2015), algorithm 1: every row, with ε beside the corrected √v."""

    def step(self, rows, row_grads):
        self.t += 1
        grad = np.zeros_like(self.param)
        for row, row_grad in sum_by_row(rows, row_grads).items():
            grad[row] = row_grad
        m, v = self.state["exp_avg"], self.state["exp_avg_sq"]
        beta1, beta2 = self.betas
        m[:] = beta1 * m + (1 - beta1) * grad
        v[:] = beta2 * v + (1 - beta2) * grad**2
        corrected_m = m / (1 - beta1**self.t)
        self.param -= self.lr * corrected_m / self.denominator(v, 1 - beta2**self.t)


# Chances


def split_mix(key, position):
    """Output ``position`` of SplitMix64 seeded with ``key`` (Steele, Lea & Flood 2014, fig. 16)."""
    mask = 2**64 - 1
    bits = (int(key) + (position + 1) * 0x9E3779B97F4A7C15) & mask
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & mask
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & mask
    return bits ^ (bits >> 31)


def keep_probability(counts, subsample):
    """word2vec.c's subsampling: min(1, √(t/f) + t/f), f the relative frequency; t = 0 keeps all."""
    if subsample == 0:
        return np.ones(len(counts))
    ratio = subsample / (np.asarray(counts) / np.sum(counts))
    return np.minimum(1, np.sqrt(ratio) + ratio)


def noise_probability(counts, exponent):
    """Share of each word in the negatives: count ** exponent, normalised."""
    weights = np.asarray(counts, np.float64) ** exponent
    return weights / weights.sum()


# The batch


def skip_gram_examples(word_ids, start, stop, keep_prob, window, key):
    """Return (center, contexts) as positions in the text, for the centers in [start, stop).

    A position draws 64 bits, of which the upper 32 decide whether its token stays.
    """
    sentences = [[]]
    for position, word in enumerate(word_ids):
        if word < 0:
            sentences.append([])
        elif split_mix(key, position) >> 32 < keep_prob[word] * 2**32:
            sentences[-1].append(position)
    examples = []
    for sentence in sentences:
        for k, position in enumerate(sentence):
            if start <= position < stop:
                left = sentence[max(0, k - window) : k]
                right = sentence[k + 1 : k + 1 + window]
                examples.append((position, left + right))
    return examples


def pair_weights(n_left, n_right, window, dynamic):
    """Return what a center's contexts weigh: the chance that a reach drawn evenly takes them."""
    distances = [*range(n_left, 0, -1), *range(1, n_right + 1)]
    reaches = range(1, window + 1)
    return [
        sum(distance <= reach for reach in reaches) / window if dynamic else 1.0
        for distance in distances
    ]


def skip_gram(center_vectors, context_vectors, examples, weight):
    """Return the loss of a batch and its gradients by the two matrices.

        Σ over centers v: Σ_j −w_j log σ(v·u_j) + weight · p · Σ_n −log σ(−v·u_n)

    with contexts u_j, p = Σ_j w_j, and the negatives u_n. An example is (center, contexts,
    negatives, weights of the contexts), of which the first three are word ids. Mikolov et al.
    (2013), eq. 4, with weights.
    """
    center_vectors = center_vectors.astype(np.float64)
    context_vectors = context_vectors.astype(np.float64)
    center_grad = np.zeros_like(center_vectors)
    context_grad = np.zeros_like(context_vectors)
    loss = 0.0
    for center, contexts, negatives, weights in examples:
        terms = [(word, 1.0, w) for word, w in zip(contexts, weights, strict=True)]
        terms += [(word, -1.0, weight * sum(weights)) for word in negatives]
        for word, sign, factor in terms:
            v, u = center_vectors[center], context_vectors[word]
            score = sign * (v @ u)
            loss += factor * np.logaddexp(0, -score)
            slope = -factor * sign / (1 + np.exp(score))
            center_grad[center] += slope * u
            context_grad[word] += slope * v
    return loss, center_grad, context_grad


def cbow(context_vectors, center_vectors, examples, weight):
    """Return the loss of a batch and its gradients by the two matrices.

        Σ over centers v: −log σ(h·v) + weight · Σ_n −log σ(−h·v_n)    h = Σ_j w_j u_j / Σ_j w_j

    with contexts u_j and the negatives v_n; an example is that of `skip_gram`, and one without
    contexts has no loss. Mikolov et al. (2013), "Efficient estimation", section 3.1, with weights.
    """
    context_vectors = context_vectors.astype(np.float64)
    center_vectors = center_vectors.astype(np.float64)
    context_grad = np.zeros_like(context_vectors)
    center_grad = np.zeros_like(center_vectors)
    loss = 0.0
    for center, contexts, negatives, weights in examples:
        if not contexts:
            continue
        shares = np.array(weights) / np.sum(weights)
        mean = shares @ context_vectors[contexts]
        terms = [(center, 1.0, 1.0), *((word, -1.0, weight) for word in negatives)]
        mean_grad = np.zeros_like(mean)
        for word, sign, factor in terms:
            score = sign * (mean @ center_vectors[word])
            loss += factor * np.logaddexp(0, -score)
            slope = -factor * sign / (1 + np.exp(score))
            mean_grad += slope * center_vectors[word]
            center_grad[word] += slope * mean
        for word, share in zip(contexts, shares, strict=True):
            context_grad[word] += share * mean_grad
    return loss, context_grad, center_grad


def words_of_letters(n_words):
    """Return distinct words of the letters a, b and c, which have many n-grams in common."""
    return ["".join("abc"[int(digit)] for digit in np.base_repr(k + 3, 3)) for k in range(n_words)]


def ngram_mix(words, min_n, max_n, n_buckets):
    """Return what each word's vector is of each row, of words and of n-grams, and their buckets.

    The matrix is of shape (V, V + G): a word is the mean of its own row and those of its n-grams.
    """
    buckets = [ngram_buckets(word.encode(), min_n, max_n, n_buckets) for word in words]
    rows = list(dict.fromkeys(bucket for of_word in buckets for bucket in of_word))
    mix = np.zeros((len(words), len(words) + len(rows)))
    for word, of_word in enumerate(buckets):
        mix[word, word] = 1
        for bucket in of_word:
            mix[word, len(words) + rows.index(bucket)] += 1
    return mix / mix.sum(axis=1, keepdims=True), rows


def composed_loss(loss_of, tables, mix, examples, weight):
    """Return the loss of a model whose first table is composed, and the gradients of each table."""
    own, other, ngrams = tables
    loss, first, second = loss_of(mix @ np.concatenate([own, ngrams]), other, examples, weight)
    grads = mix.T @ first
    return loss, grads[: len(own)], second, grads[len(own) :]


def merged_block(block, shards, added):
    """Merge what shards have made of the same rows, row by row, as `merge_block` says."""
    merged = {}
    for table, arrays in block.items():
        merged[table] = {name: array.astype(np.float64) for name, array in arrays.items()}
        for row in range(len(arrays["vectors"])):
            moved = [
                (int(touches[place]), {name: array[place] for name, array in new.items()})
                for rows, touches, new in (shard[table] for shard in shards)
                for place in np.flatnonzero(rows == row)
            ]
            n_touches = sum(touches for touches, _ in moved)
            if not moved:
                continue
            for name, array in arrays.items():
                old = array[row].astype(np.float64)
                changes = [new[name] - old for _, new in moved]
                if name == "vectors":
                    total = np.sum(changes, axis=0)
                    squares = sum(change @ change for change in changes)
                    share = min(1, squares / (total @ total)) if total @ total else 1
                    merged[table][name][row] = old + share * total
                elif name in added[table]:
                    merged[table][name][row] = old + sum(changes)
                else:
                    weighted = [touches * new[name] for touches, new in moved]
                    merged[table][name][row] = sum(weighted) / n_touches
    return merged


def fnv1a_signed(data):
    """Return fastText's hash of bytes: FNV-1a over signed bytes, as its dictionary.cc says."""
    value = 2166136261
    for byte in data:
        signed = byte - 256 if byte > 127 else byte
        value = ((value ^ (signed & 0xFFFFFFFF)) * 16777619) & 0xFFFFFFFF
    return value


def ngram_buckets(word, min_n, max_n, n_buckets):
    """Return the buckets of a word's n-grams, by the loops of fastText's computeSubwords."""
    if word == b"</s>":
        return []
    whole, found = b"<%b>" % word, []
    for start in range(len(whole)):
        if whole[start] & 0xC0 == 0x80:
            continue
        end, n = start, 1
        while end < len(whole) and n <= max_n:
            end += 1
            while end < len(whole) and whole[end] & 0xC0 == 0x80:
                end += 1
            if n >= min_n and not (n == 1 and (start == 0 or end == len(whole))):
                found.append(fnv1a_signed(whole[start:end]) % n_buckets)
            n += 1
    return found
