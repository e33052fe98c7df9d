"""The commands, one module each: `register(app)` adds it to the application."""
