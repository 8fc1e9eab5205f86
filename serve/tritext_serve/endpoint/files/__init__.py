"""An endpoint's files, in Azure ML's own schema: paths in, a checked endpoint out, or every mistake by file and line.

The rules are Azure ML's for managed online endpoints, with those that its own client does not check.
"""

from tritext_serve.endpoint.files.load import Loaded, load, load_endpoint
from tritext_serve.endpoint.files.traffic import check_mirror, check_traffic

__all__ = ["Loaded", "check_mirror", "check_traffic", "load", "load_endpoint"]
