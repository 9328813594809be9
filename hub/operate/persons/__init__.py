"""Persons as an operator is asked about them: their messages, their own data, blocks, who may be one person."""
