"""Workers: agent CLIs in terminals, from their brief to their verdict."""
