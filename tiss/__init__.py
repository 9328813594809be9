"""ANS TISS on the wire: versions, messages, schema check, rules, hash, SOAP envelopes."""
