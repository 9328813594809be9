"""Appeals: drafts of denials, their sending, their answers, and both as FHIR."""
