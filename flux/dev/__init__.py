"""`flux dev` without its screen: the server's supervisor, the file watcher, plain output, the terminal."""
