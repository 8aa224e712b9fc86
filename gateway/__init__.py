"""The rim: HTTP faces, upstream client, store, sandbox, CLI, wiring."""
