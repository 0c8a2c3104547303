"""Checks of `lodestone doctor`. Each `look` yields findings within a time limit, also for a part that is away."""
