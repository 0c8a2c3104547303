"""`python -m workers` is `lodestone`, for processes that start others with the same Python."""

from workers.cli import main

main()
