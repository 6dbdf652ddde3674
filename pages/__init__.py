"""One screen per file: read the state, ask the engine, draw."""
