"""The start of such a process: all is patched before anything else is imported, gRPC before its first channel."""

from gevent import monkey

monkey.patch_all()

import sys  # noqa: E402

from grpc.experimental.gevent import init_gevent  # noqa: E402

init_gevent()

from tritext_loadtest.generator.process import main  # noqa: E402

words = sys.argv[1:]
del sys.argv[1:]  # Locust would read them as its own
sys.exit(main(words))
