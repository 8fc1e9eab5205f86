"""What the job's own server says does not fill the disk, however long it runs and however much that is."""

import os
import subprocess
import sys
import tempfile
import time

import pytest

from tritext_batch import embedded

MOST = 100_000
# Says 2 MB, tells that by another way, and when that was heard says its last words.
TALKER = """
import sys
for _ in range(2000):
    sys.stdout.write("x" * 1023 + "\\n")
    sys.stdout.flush()
sys.stderr.write("said\\n")
sys.stderr.flush()
sys.stdin.readline()
sys.stdout.write("last words\\n")
"""


def test_what_it_says_is_emptied_when_it_is_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(embedded, "MOST_SAID", MOST)
    pipe = subprocess.PIPE
    with tempfile.TemporaryFile() as said:
        embedded._append_only(said)
        with subprocess.Popen([sys.executable, "-c", TALKER], stdin=pipe, stdout=said, stderr=pipe) as child:
            with embedded._bounded(said):
                assert child.stderr is not None
                assert child.stderr.readline() == b"said\n"
                until = time.monotonic() + 60
                while os.fstat(said.fileno()).st_size > MOST and time.monotonic() < until:
                    time.sleep(0.01)
            child.communicate(b"\n", timeout=60)
        said.seek(0)
        content = said.read()
    assert len(content) <= MOST + len(b"last words\n")
    assert content.endswith(b"last words\n")
    assert b"\0" not in content, "it went on behind a hole"
