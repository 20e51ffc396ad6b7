"""Active learning: cameras, rays and samples where the student errs, weighted so the aim stays.

Three levels, each of its own, that a recipe composes: `cameras` decides which new rays the teacher
is asked about, `rays` which of the bank's rays a step takes, `points` which of their samples the
student computes. Whatever is drawn with odds q times those of uniform draws counts 1 / q in the
losses, so that their expectation is that of uniform draws and only its noise changes; each odds
has a floor, so that no weight is large. Errors are remembered as averages, first guesses are
high: what was never looked at is looked at soon.
"""
