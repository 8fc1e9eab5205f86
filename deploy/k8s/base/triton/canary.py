"""Does this Triton give its certified label? ``canary.py started|ready|alive``, exit status 0 for yes.

Triton calls itself ready while a dead backend process fails every inference, so each probe is an inference. Who is
merely late is overloaded: it stays in service, since its load would else fall on the others, and it is not restarted.
"""

import os
import sys
from pathlib import Path

from tritext_serve.canary import check, read_canary
from tritext_serve.errors import LateError, ServeError

SECONDS = 4.0
question, model = sys.argv[1], Path(os.environ["TRITEXT_MODELS"], os.environ["TRITEXT_MODEL"])
try:
    newest = max((each for each in model.iterdir() if each.name.isdecimal()), key=lambda each: int(each.name))
    check("http://127.0.0.1:8000", read_canary(model.name, newest), SECONDS)
except LateError as error:
    if question == "started":
        sys.exit(f"late: {error}")
except (ServeError, OSError, ValueError) as error:
    sys.exit(f"ill: {error}")
