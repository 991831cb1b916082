"""Act: carry out one admitted move, once, and tell exactly what came of it."""
