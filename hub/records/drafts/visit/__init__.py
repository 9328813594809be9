"""What a draft of a visit becomes: its status and times, the places it was in, the movements that are put right."""
