"""``python -m w2v_sparseadam`` is the command ``w2v``."""

from .commands.w2v import main

if __name__ == "__main__":
    main()
