"""The rules the official schema cannot express: tables (`*.csv`) say what applies where, small functions say how."""
