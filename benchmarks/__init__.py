"""What a slot machine costs beside ordinary training: step time, peak memory and the time to build it.

`cases` says what is compared, `timing` and `memory` measure, `goals` holds what is to be reached, and `results` keeps
the measurements. `goals` and `results` do without torch: the figure and the page need nothing but the CSV file.
"""
