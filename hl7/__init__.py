"""HL7 v2 on the wire: ER7, MLLP framing, acknowledgements, batches, grammar."""
