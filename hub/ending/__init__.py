"""A tenant's end: everything of it in one file for whoever goes on with it, then nothing of it left here."""
