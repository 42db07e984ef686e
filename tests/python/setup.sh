#!/bin/sh
# Makes the virtual environment of the tests that read effllm's output with other people's programs.
set -eu
here=$(dirname "$0")
environment=${CARGO_TARGET_DIR:-$here/../../target}/tmp/python
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
