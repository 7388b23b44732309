"""Which random bytes a corpus may begin with."""

from w2v_sparseadam.errors import TextError
from w2v_sparseadam.text.reading.magic import HEAD_BYTES, check_controls, check_head


def begins_as_text(data):
    """Tell whether a file of these bytes is taken for text."""
    try:
        check_head(data[:HEAD_BYTES], "", "utf-8")
        check_controls(data, "")
    except TextError:
        return False
    return True
