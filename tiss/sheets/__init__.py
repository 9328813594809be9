"""Rows of sheets, as files of many kinds hold them."""
