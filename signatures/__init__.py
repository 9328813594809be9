"""Who signed what: certificates, trust, XMLDSig, verdicts."""
