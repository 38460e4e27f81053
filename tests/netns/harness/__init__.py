"""What the tests in real network namespaces share: Python's standard library and nothing else."""
