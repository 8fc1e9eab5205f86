"""The room for offline scoring of files and blobs; it has no verb yet."""
