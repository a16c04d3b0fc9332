"""Networks that segment the basal ganglia and their perivascular spaces: training and use.

Two networks in turn: the coarse one sees the whole head at 2 mm and finds the nuclei, the fine one
sees the box around them at 0.5 mm and segments nuclei and perivascular spaces jointly.
"""
