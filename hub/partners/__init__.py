"""A tenant's partners as its people set them up: the document of one, its faults, the list, switching, a trial."""
