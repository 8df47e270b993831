"""What stands over an area for a moment."""
