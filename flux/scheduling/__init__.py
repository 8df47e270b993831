"""When things happen: triggers of schedules, and the timer of durable waits."""
