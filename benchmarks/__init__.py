"""What a slot machine costs beside ordinary training: step time, peak memory and the time to build it.

`cases` says what is compared, `timing` and `peak_memory` measure, `goals` holds what is to be reached, and
`measurements` keeps what was measured. `goals` and `measurements` do without torch: the figure and the page need only
the CSV file.
"""
