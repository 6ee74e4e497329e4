"""What the platform does per second, and how long it takes: ``make bench``.

Each benchmark runs the real code on real servers, and in the same run a yardstick that does the
least anything of its kind could do: a figure is only worth something beside it.
"""
