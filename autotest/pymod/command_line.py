"""Runs GDAL's command-line programs as users type them."""

import os
import re
import shutil
import subprocess

import pytest


def run(command, *arguments, **config):
    """Gives (exit code, standard output, standard error). config: configuration options, as environment variables."""
    if shutil.which(command) is None:
        pytest.skip(f"{command} (Debian: gdal-bin) is not installed")
    done = subprocess.run(
        [command, *map(str, arguments)],
        env={**os.environ, **config},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        timeout=240,
    )
    return done.returncode, done.stdout, done.stderr


def succeeds(command, *arguments, **config):
    """Runs what must work without a warning. Gives its standard output."""
    code, output, errors = run(command, *arguments, **config)
    assert code == 0, errors
    assert not re.search("warning|error", errors, re.IGNORECASE), errors
    return output


def plan(errors):
    """The lines of the plan among debug messages."""
    return [line.split("StreamTIFF: ", 1)[1] for line in errors.splitlines() if line.startswith("StreamTIFF: ")]
