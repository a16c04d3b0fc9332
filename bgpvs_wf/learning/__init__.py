"""Networks that segment the basal ganglia and their perivascular spaces: training and use.

Three networks in turn, each told what the one before found: the coarse one sees the whole head at
2 mm and finds the nuclei, the fine one sees the box around them at 1 mm and segments them, the
third sees the box as it was scanned and finds the perivascular spaces.
"""
