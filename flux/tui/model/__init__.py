"""The part of the dashboard that knows nothing of terminals: view state, selectors, forms, timelines."""
