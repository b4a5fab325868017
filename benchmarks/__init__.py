"""Side by side with the peers that are installed, in one run: `python -m benchmarks.matmul`, for instance."""
