"""The first page: what an operator sees at `/`, server-rendered, Portuguese and English, without patient data."""
