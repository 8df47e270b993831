"""One screen for each area, each with its style sheet beside it."""
