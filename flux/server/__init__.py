"""The HTTP server: composition root, routes, streams, and the process around it."""
