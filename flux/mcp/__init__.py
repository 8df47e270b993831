"""An MCP server: agents list, run, answer and cancel workflows of a Flux server."""
