"""The demonstration: an invented hospital day, carried from HL7 v2 to an answered TISS batch, every step checked."""
