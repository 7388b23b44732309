# Sourced by the other scripts: go to the top of the checkout and have a .venv, with extras if named.
#   . scripts/venv.sh; use_venv test
# Sets $python. What is there is used again; after a change of pyproject.toml it is installed anew.

cd "$(dirname "$0")/.."

find_python() {
    for candidate in python3 python3.14 python3.13 python3.12 python3.11 python; do
        if "$candidate" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
        then
            echo "$candidate"
            return
        fi
    done
    echo "No Python 3.11 or newer with the venv module was found; install one." >&2
    return 1
}

use_venv() {
    set -- "${1:-}"
    python=.venv/bin/python
    stamp=.venv/installed-${1:-alone}
    if [ ! -x "$python" ]; then
        base=$(find_python)
        echo "Making .venv with $("$base" --version) ..."
        "$base" -m venv .venv
    fi
    if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ]; then
        echo "Installing w2v-sparseadam into .venv ..."
        "$python" -m pip install --quiet --disable-pip-version-check --editable ".${1:+[$1]}"
        touch "$stamp"
    fi
}
