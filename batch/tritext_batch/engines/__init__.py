"""What carries blocks to the model: this process, or a Ray cluster's workers. Both deliver in the input's order."""
