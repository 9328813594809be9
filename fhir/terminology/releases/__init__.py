"""What publishers of terminologies hand out (SNOMED CT RF2, LOINC, CID-10, SIGTAP, CBO), read as one kind of rows."""
