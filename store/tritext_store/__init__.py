"""Blob storage: an address in, a file system out; and model repositories pushed to it, pulled from it and followed.

::

    location ──► filesystem ──► objects ──► push, pull, sync ──► commands
    what is meant   fsspec, adlfs   conditional reads and writes    `tritext repository push …`
"""
