"""Channels as data: what a channel document may say, its versions, what it decides, and trying a version out."""
